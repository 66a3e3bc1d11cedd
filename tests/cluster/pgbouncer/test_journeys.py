"""The HTTP tests hold behind PgBouncer: the same tests with another `databases` fixture."""

# All tests and their fixtures, because a list would miss new ones.
from tests.entrypoints.test_journeys import *  # noqa: F403  (all of its tests run here)
from tests.entrypoints.test_races import *  # noqa: F403  (likewise)
