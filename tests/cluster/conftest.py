"""One database server for the run, and nothing that another folder's tests share."""

from tests.entrypoints.conftest import databases

__all__ = ["databases"]
