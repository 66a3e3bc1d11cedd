"""Redis blocklist: a leased, fenced cache of recent revocations.

PostgreSQL is the source of truth. Redis holds the minimum generation of every session that was revoked within the
lifetime of an access token. A request is checked against Redis only while the completeness lease is live and is the
one that this process trusts; otherwise PostgreSQL is asked.

    revoke   COMMIT in PostgreSQL (row marked as pending) → write to Redis → answer the client
    check    MGET lease, revocation of each waiting session → trusted lease? decide : ask PostgreSQL
    renew    every 250 ms in each process: copy what Redis may lack → extend the lease by 1 s

If a revocation cannot be written under a live lease, its caller waits for one lease. An older lease has expired by
then, and every later lease includes the revocation, because a renewal copies pending revocations before it extends.

Fencing. PostgreSQL names the primary (Redis `run_id`) and an epoch, which grows with each change of primary. The
lease is `run_id:epoch`, so a lease on a replica, in a restored snapshot or of a former primary is worthless.

A renewal (`lease.py` decides, `blocklist.py` carries out; `[x]` is the action that is requested):

    [Observe]  write canary, read run id and lease
        │  lease is trusted, more than half is left ─────────────────────────────→ [Stop] trusted
        │  lease is trusted, less than half is left ─────────────────┐
        │  lease is missing or another one                           │
    [ReadPrimary] ── another server, not demoted lately → [Promote]  │
        │  still another server ───────────────────── → [Stop] locate the server again
        │  the former primary's lease may be live ─── → [Stop] wait  │
    [Backfill]  all revocations of the horizon                       │
        │                                                            │
    [ReadClock] of Redis: the lease counts from here  ←──────────────┘
    [CopyPending]
    [ConfirmPrimary] ── it has changed → [Stop]
    [Extend]  if the canary is there, on the same server ── else [Stop]
        │
    trusted → [MarkPublished] → [Stop]

    At any time: a new connection or a failure → not trusted, and the renewal is abandoned.

What each guard prevents (`tests/contracts/test_lease.py` removes them one at a time):

    canary                  Redis was emptied during the renewal
      its number            a late command of an earlier renewal extends the lease
      its short life        the clock was set forward, so that revocations have expired
    clock read first        a process or a command was delayed for longer than a lease
    confirm the primary     another server was promoted during the renewal
    wait for one lease      processes still trust the former primary
    distrust on connect     a replica took over with the lease, but without the latest revocations
    abandon on connect      the same during a renewal; back on the first server, the canary was replicated
    mark after extending    revocations were copied to a server that is not the primary
    refresh on writing      the clock was set forward, and entries would expire early

Assumptions: monotonic clocks of processes run at the same rate, within `margin` per lease. The clock of Redis may be
wrong and may be set forward. If it is set back, a lease lives longer by as much, until a renewal notices it.
"""

from adapters.redis.blocklist.blocklist import RedisBlocklist

__all__ = ["RedisBlocklist"]
