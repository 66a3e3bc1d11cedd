"""Breached passwords that an operator has placed, as the API and the command line refuse them."""

import hashlib

from tests.support.service import Service, address, code

PASSWORD = "crumpet vortex walnut gimlet"
DIGEST = hashlib.sha1(PASSWORD.encode()).hexdigest().upper()


def test_a_breached_password_is_refused(apart: Service) -> None:
    folder = apart.folder / "ranges"
    folder.mkdir()
    (folder / DIGEST[:5]).write_text(f"{DIGEST[5:]}:3\r\n")
    apart.environ["LATCHKEY_BREACHED_PASSWORDS"] = str(folder)
    apart.start_api()
    refused = apart.client().post("/v1/register", json={"email": address(), "password": PASSWORD})
    assert (refused.status_code, code(refused)) == (422, "password_weak")
    assert "data breach" in refused.text
    other = {"email": address(), "password": f"{PASSWORD}s"}
    assert apart.client().post("/v1/register", json=other).status_code == 202
    made = apart.cli("users", "create", "--email", address(), stdin=PASSWORD)
    assert (made.returncode, made.stdout) == (1, "")
    assert made.stderr.startswith("password_weak: ")
