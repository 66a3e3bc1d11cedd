"""`python -m tests.support.aggressive_purge_worker`: a worker whose clock is wrong by the seconds in the
file $SKEW, and which purges expired rows a dozen times a second."""

from functools import partial

from tests.support.skewed_clock import set_wrong


def main() -> None:
    set_wrong()
    # Imported only now, because the container reads the clock when it is loaded.
    from entrypoints.worker import __main__ as worker
    from entrypoints.worker.purge_worker import PurgeWorker

    vars(worker)["PurgeWorker"] = partial(PurgeWorker, batch_pause=0.01, pass_pause=0.02, error_pause=0.02)
    worker.main()


if __name__ == "__main__":
    main()
