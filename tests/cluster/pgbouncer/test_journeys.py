"""What is promised over HTTP holds behind PgBouncer: the same tests, with another `places`."""

from tests.entrypoints.test_journeys import *  # noqa: F403
from tests.entrypoints.test_races import *  # noqa: F403
