"""One database server for the run; nothing is shared with tests of other folders."""

from tests.entrypoints.conftest import databases

__all__ = ["databases"]
