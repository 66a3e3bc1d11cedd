"""Account recovery, as in `tests/support/recovery.py` and `tests/support/factor_theft.py`, on PostgreSQL."""

from tests.support.factor_theft import FactorTheft
from tests.support.recovery import Theft, in_postgres, run_thefts


def test_owner_of_the_mailbox_recovers_over_postgresql(migrated: str) -> None:
    run_thefts(in_postgres(Theft, migrated), 40, acts=25)


def test_owner_recovers_with_their_factors_over_postgresql(migrated: str) -> None:
    run_thefts(in_postgres(FactorTheft, migrated), 5, acts=12)
