"""`python -m tests.faults.skewed_api`: an API process whose clock is wrong by the seconds in the file $SKEW."""

import tests.faults.skewed_clock  # noqa: F401 - the container takes the clock when it is imported

from entrypoints.api import main  # isort: skip

if __name__ == "__main__":
    main()
