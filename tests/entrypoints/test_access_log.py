"""The JSON access log: one complete line for each request, in order, with the fields of all other lines."""

import asyncio
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import UNSET
from structlog.testing import capture_logs

from entrypoints.observability.access_log import AccessLogEntry, JsonAccessLog, log_to_console

pytestmark = pytest.mark.anyio


class Out(io.BytesIO):
    writes = flushes = 0

    def write(self, data: Any) -> int:
        self.writes += 1
        return super().write(data)

    def flush(self) -> None:
        self.flushes += 1


async def test_access_log_line_has_the_common_fields() -> None:
    log = JsonAccessLog(out := Out())
    log(AccessLogEntry("0123456789abcdef", "GET", "/v1/me", 200, 1.5, "203.0.113.7"))
    await asyncio.sleep(0)
    line = out.getvalue()
    assert line.endswith(b"}\n")
    entry = json.loads(line)
    at = datetime.fromisoformat(entry.pop("timestamp"))
    assert entry.pop("event") == "request"
    assert entry.pop("level") == "info"
    assert timedelta() <= datetime.now(UTC) - at < timedelta(minutes=1)
    assert list(entry.items()) == [
        ("request_id", "0123456789abcdef"),
        ("method", "GET"),
        ("route", "/v1/me"),
        ("status", 200),
        ("ms", 1.5),
        ("ip", "203.0.113.7"),
    ]


@pytest.mark.parametrize(
    ("status", "code", "level"),
    [(503, "unavailable", "error"), (401, "token_expired", "info"), (500, "internal", "error"), (None, None, "info")],
)
async def test_access_log_line_has_the_error(status: int | None, code: str | None, level: str) -> None:
    line = AccessLogEntry("0123456789abcdef", "GET", "/v1/me", status, 1.5, "203.0.113.7", code or UNSET)
    log = JsonAccessLog(out := Out())
    log(line)
    await asyncio.sleep(0)
    entry = json.loads(out.getvalue())
    with capture_logs() as lines:
        log_to_console(line)
    for fields in (entry, {**lines[0], "level": lines[0]["log_level"]}):
        assert (fields["status"], fields.get("code"), fields["level"]) == (status, code, level)
        assert ("code" in fields) is (code is not None)


async def test_lines_of_one_event_loop_turn_are_written_together() -> None:
    log = JsonAccessLog(out := Out())
    for turn in range(3):
        for number in range(100):
            log(AccessLogEntry(f"{turn}-{number}", "GET", "-", None, 0.0, ""))
        assert out.writes == turn
        await asyncio.sleep(0)
        assert (out.writes, out.flushes) == (turn + 1, turn + 1)
    told = [json.loads(line)["request_id"] for line in out.getvalue().splitlines()]
    assert told == [f"{turn}-{number}" for turn in range(3) for number in range(100)]
