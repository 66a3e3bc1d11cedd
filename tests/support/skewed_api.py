"""`python -m tests.support.skewed_api`: an API process whose clock is wrong by the seconds in the file $SKEW."""

from runpy import run_module

from tests.support.skewed_clock import set_wrong

set_wrong()

if __name__ == "__main__":
    run_module("entrypoints.api", run_name="__main__")
