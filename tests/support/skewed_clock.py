"""Clocks and ids that are wrong by the seconds in the file $SKEW, set before the container is loaded."""

import os
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from adapters import uuid7
from entrypoints import factories

_right, _right_id = factories.now, uuid7.uuid7


def skew() -> float:
    return float(Path(os.environ["SKEW"]).read_text() or 0)


def wrong() -> datetime:
    return _right() + timedelta(seconds=skew())


def wrong_id() -> UUID:
    return UUID(int=_right_id().int + (round(skew() * 1000) << 80))


def set_wrong() -> None:
    factories.now, uuid7.uuid7 = wrong, wrong_id
