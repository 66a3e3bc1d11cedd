"""The API and the command line refuse passwords from the operator's list of breached passwords."""

import hashlib

from tests.support.service import Service, code, unique_email

PASSWORD = "crumpet vortex walnut gimlet"
DIGEST = hashlib.sha1(PASSWORD.encode()).hexdigest().upper()


def test_a_breached_password_is_refused(isolated_service: Service) -> None:
    folder = isolated_service.folder / "ranges"
    folder.mkdir()
    (folder / DIGEST[:5]).write_text(f"{DIGEST[5:]}:3\r\n")
    isolated_service.environ["LATCHKEY_BREACHED_PASSWORDS"] = str(folder)
    isolated_service.start_api()
    refused = isolated_service.client().post("/v1/register", json={"email": unique_email(), "password": PASSWORD})
    assert (refused.status_code, code(refused)) == (422, "password_weak")
    assert "data breach" in refused.text
    other = {"email": unique_email(), "password": f"{PASSWORD}s"}
    assert isolated_service.client().post("/v1/register", json=other).status_code == 202
    made = isolated_service.cli("users", "create", "--email", unique_email(), stdin=PASSWORD)
    assert (made.returncode, made.stdout) == (1, "")
    assert made.stderr.startswith("password_weak: ")
