"""Checks Redis: connection, permissions, eviction policy, and revocations that PostgreSQL has lost."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from adapters.postgres.database import Database
from adapters.postgres.revocations import PostgresRevocationStore
from adapters.redis.clients import async_client
from adapters.redis.discovery import redacted
from adapters.redis.lost_revocations import LostRevocations
from application.ports import Clock
from domain.refusals import Refusal
from entrypoints.cli.doctor.clocks import compare_clocks
from entrypoints.cli.doctor.findings import Finding
from entrypoints.settings import Settings

PART = "redis"
DEADLINE = 5.0
"""Seconds for a command."""

_WRITE = """
redis.call('SET', KEYS[1], 1, 'PX', 1000)
return redis.call('DEL', KEYS[1])
"""


async def check_redis(settings: Settings, clock: Clock) -> AsyncIterator[Finding]:
    where = redacted(settings.redis_url)
    redis = async_client(settings.redis_url, timeout=DEADLINE)
    try:
        try:
            await redis.ping()
        except (AuthenticationError, ResponseError) as error:
            yield Finding.error(PART, f"{where} refuses the connection: {error}; see LATCHKEY_REDIS_URL")
            return
        except (RedisError, OSError) as error:
            yield Finding.error(
                PART,
                f"{where} does not answer: {error}; until it does, every request asks PostgreSQL, rate limits are"
                " counted per process, and mails wait a second longer; see LATCHKEY_REDIS_URL",
            )
            return
        denied = await _denied_commands(redis)
        if denied:
            for name, why in denied.items():
                yield Finding.error(PART, f"{name} is refused: {why}; allow it for this user")
        else:
            yield Finding.ok(PART, "all needed commands are allowed (EVAL, EVALSHA, INFO, MGET, TIME)")
        yield await _lost_revocations(settings)
        if "INFO" not in denied:
            yield _eviction_policy(await redis.info(), where)
        if "TIME" not in denied:
            sent_at = clock()
            seconds, micros = await redis.time()
            server_time = datetime.fromtimestamp(seconds + micros / 1e6, UTC)
            yield compare_clocks("Redis", server_time, sent_at=sent_at, received_at=clock())
    finally:
        await redis.aclose()


async def _denied_commands(redis: Redis) -> dict[str, str]:
    """Commands that this Redis user may not run. Each is tried as blocklist, rate limits and queue run it."""

    async def evalsha() -> Any:
        return await redis.evalsha(await redis.script_load(_WRITE), 1, "{latchkey}:doctor")

    attempts: dict[str, Callable[[], Awaitable[Any]]] = {
        "INFO": redis.info,
        "TIME": redis.time,
        "MGET": lambda: redis.mget("{latchkey}:doctor"),
        "EVAL": lambda: redis.eval(_WRITE, 1, "{latchkey}:doctor"),
        "EVALSHA": evalsha,
    }
    denied = {}
    for name, attempt in attempts.items():
        try:
            await attempt()
        except ResponseError as error:
            denied[name] = str(error)
    return denied


async def _lost_revocations(settings: Settings) -> Finding:
    database = Database(settings.database_url, pool_size=1, deadline=DEADLINE, application="latchkey doctor")
    try:
        lost = await LostRevocations(settings.redis_url, PostgresRevocationStore(database), deadline=DEADLINE).count()
    except (RedisError, OSError, Refusal):
        return Finding.warning(PART, "its revocations cannot be compared with the database's")
    finally:
        await database.close()
    if lost:
        return Finding.error(
            PART,
            f"{lost} sessions are revoked here and not in PostgreSQL, which was restored to an older state: people"
            " who logged out can refresh again; end the sessions of that time",
        )
    return Finding.ok(PART, "PostgreSQL has every revocation that Redis has")


def _eviction_policy(info: dict[str, Any], where: str) -> Finding:
    what = f"{info.get('server_name', 'redis').capitalize()} {info.get('valkey_version', info['redis_version'])}"
    policy = info["maxmemory_policy"]
    if policy != "noeviction":
        return Finding.error(
            PART,
            f"{what} at {where} has maxmemory-policy {policy}: when it is full it drops revocations, so it is not"
            " trusted; set maxmemory-policy to noeviction",
        )
    return Finding.ok(
        PART, f"{what} at {where} keeps its keys (noeviction); its data does not have to survive a restart"
    )
