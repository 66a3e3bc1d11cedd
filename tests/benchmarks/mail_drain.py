"""How fast two workers send what is owed, to a server that only takes; and that it gets every mail, once."""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.benchmarks.harness.house import House, house
from tests.benchmarks.harness.machine import ROOT
from tests.benchmarks.harness.table import report
from tests.support.service import Service, free_port

ROUNDS, MAILS, PATIENCE = 3, 3000, 120

PEOPLE = """
INSERT INTO users (id, email, password_hash, role, created_at, provenance)
SELECT uuidv7(), $1 || n || '@example.org', 'hash', 'member', now(), 'self' FROM generate_series(1, $2::integer) n
"""
OWED = """
INSERT INTO mails (id, kind, recipient, user_id, created_at, due_at, attempts, note)
SELECT uuidv7(), 'verify', email, id, now(), now(), 0, '' FROM users WHERE email LIKE $1 || '%'
"""
STATE = "SELECT coalesce(outcome, 'owed') AS state, count(*) AS many FROM mails GROUP BY 1"


def taken(file: Path) -> list[tuple[float, str]]:
    lines = (line.split() for line in file.read_text().splitlines()) if file.exists() else ()
    return [(float(when), who) for when, who in lines]


def drained(made: House, file: Path, number: int) -> tuple[float, int, int]:
    """Mails a second from the first to the last, how many never came, and how many came again."""
    name = f"owed{number}x"
    made.run(lambda database: database.execute(PEOPLE, name, MAILS))
    made.run(lambda database: database.execute(OWED, name))
    give_up = time.monotonic() + PATIENCE
    while len([who for _, who in taken(file) if who.startswith(name)]) < MAILS and time.monotonic() < give_up:
        time.sleep(0.2)
    time.sleep(0.5)  # for copies
    came = [(when, who) for when, who in taken(file) if who.startswith(name)]
    copies = Counter(who for _, who in came)
    times = [when for when, _ in came]
    return (len(came) - 1) / (max(times) - min(times)), MAILS - len(copies), len(came) - len(copies)


def main() -> None:
    with house() as made:
        port, file = free_port(), made.folder / "taken"
        sink = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.references.sink", str(port), str(file)], cwd=ROOT
        )
        try:
            # As in production, where nobody keeps copies of mails in a folder.
            service: Service = made.service(LATCHKEY_SMTP_URL=f"smtp://127.0.0.1:{port}", LATCHKEY_MAIL_DIR="")
            for _ in range(2):
                service.start_worker()
            drained(made, file, 0)  # warms
            found = [drained(made, file, number) for number in range(1, 1 + ROUNDS)]
            states = {row["state"]: row["many"] for row in made.run(lambda database: database.fetch(STATE))}
        finally:
            sink.terminate()
            sink.wait(20)
    note = f"{MAILS:,} owed at once; afterwards " + ", ".join(f"{many:,} {state}" for state, many in states.items())
    report("mails by two workers", [rate for rate, _, _ in found], "/s", least=400, note=note)
    report("mails lost", [float(lost) for _, lost, _ in found], "", most=0)
    report("mails sent twice", [float(again) for _, _, again in found], "")


if __name__ == "__main__":
    main()
