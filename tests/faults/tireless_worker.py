"""`python -m tests.faults.tireless_worker`: a worker whose clock is wrong by the seconds in the file $SKEW, and which
goes over the house a dozen times a second."""

from functools import partial

from tests.faults.skewed_clock import set_wrong


def main() -> None:
    set_wrong()
    # Only now: the container takes the clock when it is loaded.
    from entrypoints import worker
    from entrypoints.housekeeper import Housekeeper

    vars(worker)["Housekeeper"] = partial(Housekeeper, pace=0.01, rest=0.02, trouble=0.02)
    worker.main()


if __name__ == "__main__":
    main()
