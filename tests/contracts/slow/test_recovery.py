"""Account recovery, as in `tests/support/recovery.py` and `tests/support/factor_theft.py`, on PostgreSQL."""

from tests.support.factor_theft import FactorTheft
from tests.support.recovery import Theft, run_thefts, worlds_in_postgres


def test_owner_of_the_mailbox_recovers_over_postgresql(migrated: str) -> None:
    class OverPostgres(Theft):
        worlds = worlds_in_postgres(migrated)

    run_thefts(OverPostgres, 40, acts=25)


def test_owner_recovers_with_their_factors_over_postgresql(migrated: str) -> None:
    class OverPostgres(FactorTheft):
        worlds = worlds_in_postgres(migrated)

    run_thefts(OverPostgres, 5, acts=12)
