"""Many thieves who change factors, passwords and addresses: more than the usual test run has time for.

`THIEVES=10000` draws that many in memory, and a fiftieth of them on PostgreSQL.
"""

import os

from tests.support.factor_theft import FactorTheft
from tests.support.recovery import in_memory, in_postgres, run_thefts

THIEVES = int(os.environ.get("THIEVES", "1000"))


def test_owner_recovers_with_their_factors_from_many_thieves() -> None:
    run_thefts(in_memory(FactorTheft), THIEVES, acts=12)


def test_owner_recovers_with_their_factors_from_thieves_over_postgresql(migrated: str) -> None:
    run_thefts(in_postgres(FactorTheft, migrated), THIEVES // 50, acts=12)
