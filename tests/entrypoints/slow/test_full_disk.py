"""Neither API nor worker stops because its log cannot be written."""

from secrets import token_hex

import pytest

from adapters.tokens.key_files import make_key
from tests.support.service import PASSWORD, Service, unique_email


@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.parametrize("env", ["development", "production"])
def test_full_disk_under_the_log_does_not_stop_the_api(isolated_service: Service, env: str, processes: str) -> None:
    isolated_service.environ |= {"LATCHKEY_ENV": env, "LATCHKEY_PROCESSES": processes, "LATCHKEY_UNKNOWN": "x"}
    if env == "production":
        make_key(isolated_service.folder / "keys")
        secrets = {
            "LATCHKEY_SECRET_KEY": token_hex(32),
            "LATCHKEY_ENCRYPTION_KEYS": token_hex(32),
            "LATCHKEY_SIGNING_KEYS": str(isolated_service.folder / "keys"),
        }
        isolated_service.environ |= {
            "LATCHKEY_RATE_LIMITS": "on",
            "LATCHKEY_PUBLIC_URL": isolated_service.url,
            **secrets,
        }
    isolated_service.folder.joinpath("api.log").symlink_to("/dev/full")
    isolated_service.start_api()
    for _ in range(3):
        assert isolated_service.client().get("/v1/me").status_code == 401


def test_full_disk_under_the_log_does_not_stop_the_worker(isolated_service: Service) -> None:
    isolated_service.folder.joinpath("worker.log").symlink_to("/dev/full")
    isolated_service.start_api()
    isolated_service.start_worker()
    client, email = isolated_service.client(), unique_email()
    assert client.post("/v1/register", json={"email": email, "password": PASSWORD}).status_code == 202
    assert isolated_service.mail(email)
