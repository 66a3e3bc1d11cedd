"""The gain of a second process."""

from tests.benchmarks.harness.machine import CORES, NO_WRK, has_wrk
from tests.benchmarks.harness.rig import bench_rig
from tests.benchmarks.harness.table import report, report_missing
from tests.benchmarks.harness.wrk import wrk

ROUNDS, CONNECTIONS = 3, 64
CALLS = ("forward-auth", "me")


def main() -> None:
    if not has_wrk():
        report_missing("two processes", NO_WRK)
        return
    rates: dict[tuple[str, int], list[float]] = {}
    with bench_rig() as rig:
        urls = {processes: rig.service(processes=processes).url for processes in (1, 2)}
        client = rig.services[0].client().log_in(rig.add_users("asking", 1)[0])
        token = client.pair["access_token"]
        for turn in range(1 + ROUNDS):
            for call in CALLS:
                for processes, url in urls.items():
                    load = wrk(f"{url}/v1/{call}", token, connections=CONNECTIONS, seconds=3 if turn else 1)
                    if turn:  # the first is a warm-up
                        rates.setdefault((call, processes), []).append(load.rate)
    enough = CORES >= 4
    note = f"to one, {CONNECTIONS} connections"
    note += "" if enough else f"; {CORES} cores only, with the load generator on them"
    for call in CALLS:
        two, one = rates[call, 2], rates[call, 1]
        report(f"{call} with two processes", two, "/s", against=one, least=1.5, note=note, sure=enough)


if __name__ == "__main__":
    main()
