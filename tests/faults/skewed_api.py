"""`python -m tests.faults.skewed_api`: an API process whose clock is wrong by the seconds in the file $SKEW."""

import os
from datetime import datetime, timedelta
from pathlib import Path

from entrypoints import making

_right = making.now


def wrong() -> datetime:
    return _right() + timedelta(seconds=float(Path(os.environ["SKEW"]).read_text() or 0))


making.now = wrong

from entrypoints.api import main  # noqa: E402 - the container takes the clock when it is imported

if __name__ == "__main__":
    main()
