"""Many thieves who change factors, passwords and addresses: more than the usual test run has time for."""

from tests.support.factor_theft import FactorTheft
from tests.support.recovery import in_memory, in_postgres, run_thefts


def test_owner_recovers_with_their_factors_from_ten_thousand_thieves() -> None:
    run_thefts(in_memory(FactorTheft), 10_000, acts=12)


def test_owner_recovers_with_their_factors_from_two_hundred_thieves_over_postgresql(migrated: str) -> None:
    run_thefts(in_postgres(FactorTheft, migrated), 200, acts=12)
