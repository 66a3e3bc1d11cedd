"""What is promised over HTTP holds behind PgBouncer: the same tests, with another `databases`."""

# Every test that is there, and with its fixtures: a list would leave out the next one.
from tests.entrypoints.test_journeys import *  # noqa: F403  (whatever it is, it has to hold here)
from tests.entrypoints.test_races import *  # noqa: F403  (likewise)
