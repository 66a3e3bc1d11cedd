"""The rate at which two workers drain the outbox to a local server, and whether each mail arrives once."""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.benchmarks.harness.machine import ROOT
from tests.benchmarks.harness.rig import BenchRig, bench_rig
from tests.benchmarks.harness.table import report
from tests.support.service import Service, free_port

ROUNDS, MAILS, TIMEOUT = 3, 3000, 120

PEOPLE = """
INSERT INTO users (id, email, password_hash, role, created_at, provenance)
SELECT uuidv7(), $1 || n || '@example.org', 'hash', 'member', now(), 'self' FROM generate_series(1, $2::integer) n
"""
QUEUED_MAILS = """
INSERT INTO mails (id, kind, recipient, user_id, created_at, due_at, attempts, note)
SELECT uuidv7(), 'verify', email, id, now(), now(), 0, '' FROM users WHERE email LIKE $1 || '%'
"""
STATE = "SELECT coalesce(outcome, 'owed') AS state, count(*) AS many FROM mails GROUP BY 1"


def received_mails(file: Path) -> list[tuple[float, str]]:
    lines = (line.split() for line in file.read_text().splitlines()) if file.exists() else ()
    return [(float(when), recipient) for when, recipient in lines]


def drain(rig: BenchRig, file: Path, number: int) -> tuple[float, int, int]:
    """Mails a second from the first to the last, missing mails, and duplicates."""
    name = f"owed{number}x"
    rig.run(lambda database: database.execute(PEOPLE, name, MAILS))
    rig.run(lambda database: database.execute(QUEUED_MAILS, name))
    give_up = time.monotonic() + TIMEOUT
    while (
        len([recipient for _, recipient in received_mails(file) if recipient.startswith(name)]) < MAILS
        and time.monotonic() < give_up
    ):
        time.sleep(0.2)
    time.sleep(0.5)  # for copies
    came = [(when, recipient) for when, recipient in received_mails(file) if recipient.startswith(name)]
    copies = Counter(recipient for _, recipient in came)
    times = [when for when, _ in came]
    return (len(came) - 1) / (max(times) - min(times)), MAILS - len(copies), len(came) - len(copies)


def main() -> None:
    with bench_rig() as rig:
        port, file = free_port(), rig.folder / "taken"
        sink = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.references.sink", str(port), str(file)], cwd=ROOT
        )
        try:
            # As in production, where no copies are written to a folder.
            service: Service = rig.service(LATCHKEY_SMTP_URL=f"smtp://127.0.0.1:{port}", LATCHKEY_MAIL_DIR="")
            for _ in range(2):
                service.start_worker()
            drain(rig, file, 0)  # warm-up
            results = [drain(rig, file, number) for number in range(1, 1 + ROUNDS)]
            states = {row["state"]: row["many"] for row in rig.run(lambda database: database.fetch(STATE))}
        finally:
            sink.terminate()
            sink.wait(20)
    note = f"{MAILS:,} queued together; afterwards " + ", ".join(
        f"{many:,} {state}" for state, many in states.items()
    )
    report("mails sent by two workers", [rate for rate, _, _ in results], "/s", least=400, note=note)
    report("mails lost", [float(lost) for _, lost, _ in results], "", most=0)
    report("mails sent twice", [float(again) for _, _, again in results], "")


if __name__ == "__main__":
    main()
