"""Many thieves who change factors, passwords and addresses: more than the usual test run has time for.

`THIEVES=10000` draws that many in memory, and a fiftieth of them on PostgreSQL.
"""

import os

from tests.support.factor_theft import FactorTheft
from tests.support.recovery import run_thefts, worlds_in_postgres

THIEVES = int(os.environ.get("THIEVES", "1000"))


def test_owner_recovers_with_their_factors_from_many_thieves() -> None:
    run_thefts(FactorTheft, THIEVES, acts=12)


def test_owner_recovers_with_their_factors_from_thieves_over_postgresql(migrated: str) -> None:
    class OverPostgres(FactorTheft):
        worlds = worlds_in_postgres(migrated)

    run_thefts(OverPostgres, THIEVES // 50, acts=12)
