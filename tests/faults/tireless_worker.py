"""`python -m tests.faults.tireless_worker`: a worker whose clock is wrong by the seconds in the file $SKEW, and which
goes over the house a dozen times a second."""

import tests.faults.skewed_clock  # noqa: F401 - the container takes the clock when it is imported

from application.keep_house import KeepHouse  # isort: skip
from entrypoints import worker  # isort: skip
from entrypoints.housekeeper import Housekeeper  # isort: skip


class Tireless(Housekeeper):
    def __init__(self, keep: KeepHouse) -> None:
        super().__init__(keep, pace=0.01, rest=0.02, trouble=0.02)


if __name__ == "__main__":
    vars(worker)["Housekeeper"] = Tireless
    worker.main()
