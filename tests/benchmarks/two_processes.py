"""What a second process brings, where there are cores for it."""

from tests.benchmarks.harness.house import house
from tests.benchmarks.harness.machine import CORES, NO_WRK, has_wrk
from tests.benchmarks.harness.table import lacking, report
from tests.benchmarks.harness.wrk import wrk

ROUNDS, CONNECTIONS = 3, 64
CALLS = ("forward-auth", "me")


def main() -> None:
    if not has_wrk():
        lacking("two processes", NO_WRK)
        return
    found: dict[tuple[str, int], list[float]] = {}
    with house() as made:
        urls = {processes: made.service(processes=processes).url for processes in (1, 2)}
        client = made.services[0].client().log_in(made.people("asking", 1)[0])
        token = client.pair["access_token"]
        for turn in range(1 + ROUNDS):
            for call in CALLS:
                for processes, url in urls.items():
                    load = wrk(f"{url}/v1/{call}", token, connections=CONNECTIONS, seconds=3 if turn else 1)
                    if turn:  # the first only warms
                        found.setdefault((call, processes), []).append(load.rate)
    enough = CORES >= 4
    note = f"to one, {CONNECTIONS} connections"
    note += "" if enough else f"; {CORES} cores only, with the load generator on them"
    for call in CALLS:
        two, one = found[call, 2], found[call, 1]
        report(f"{call} by two processes", two, "/s", against=one, least=1.5, note=note, sure=enough)


if __name__ == "__main__":
    main()
