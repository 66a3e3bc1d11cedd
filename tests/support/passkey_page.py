"""A page that uses passkeys with the script of docs/passkeys.md, and what a person does on it."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.authenticators import Authenticators
from tests.support.service import PASSWORD, ROOT

_SCRIPT = re.compile(r"```js\n(const ACCOUNTS.*?)```", re.DOTALL)
_PAGE = """<!doctype html>
<title>A product</title>
<link rel="icon" href="data:,">
<main>
  <input id="login" autocomplete="username webauthn"><input id="password" type="password">
  <button id="logIn">Log in</button>
  <button id="secondFactor">Use a passkey as second factor</button>
  <button id="addPasskey">Add a passkey</button>
  <button id="signIn">Sign in with a passkey</button>
  <output id="answer"></output>
</main>
<script type="module">
%s
const get = navigator.credentials.get.bind(navigator.credentials);
navigator.credentials.get = (options) => (window.asked = true, get(options));
const element = (id) => document.getElementById(id);
const state = {};
const actions = {
  logIn: () => call("login", { login: element("login").value, password: element("password").value }),
  secondFactor: () => finishLogin(state.error),
  addPasskey: () => addPasskey(state.token, "My laptop"),
  signIn: () => signInWithPasskey(),
  conditional: () => signInWithPasskey("conditional"),
};
async function run(action) {
  element("answer").textContent = "";
  let result;
  try {
    result = await action();
    state.token = result.access_token ?? state.token;
  } catch (error) {
    if (error.name === "AbortError") return;
    state.error = error;
    result = { code: error.code && isNaN(error.code) ? error.code : error.name };
  }
  element("answer").textContent = JSON.stringify(result);
}
for (const id in actions) element(id)?.addEventListener("click", () => run(actions[id]));
if (location.hash) run(actions[location.hash.slice(1)]);
</script>
"""
_FRAME = """<!doctype html>
<title>Another site</title>
<link rel="icon" href="data:,">
<iframe allow="publickey-credentials-get *" src="%s/"></iframe>
"""


@contextmanager
def product(accounts: str) -> Iterator[tuple[str, str]]:
    """Serve the page. Returns its origin, and the URL of a page of another site that has it in a frame."""
    match = _SCRIPT.search((ROOT / "docs" / "passkeys.md").read_text())
    assert match is not None
    page = _PAGE % match[1].replace("https://accounts.example.org", accounts)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = _FRAME % origin if self.path == "/frame" else page
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *arguments: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        origin = f"http://localhost:{server.server_port}"
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield origin, f"http://127.0.0.1:{server.server_port}/frame"
        finally:
            server.shutdown()


class PasskeyBrowser(Authenticators):
    """What a person does on the page. Each act returns the answer, or the name of the error as `code`."""

    def open(self, url: str) -> None:
        self.driver.get("about:blank")
        self.driver.get(url)

    def log_in(self, email: str) -> dict[str, Any]:
        for name, value in {"login": email, "password": PASSWORD}.items():
            field = self.driver.find_element(By.ID, name)
            field.clear()
            field.send_keys(value)
        return self.press("logIn")

    def press(self, button: str) -> dict[str, Any]:
        self.driver.find_element(By.ID, button).click()
        return self.answer()

    def wait_for_request(self) -> None:
        """Wait until the page has asked for a passkey."""
        WebDriverWait(self.driver, 20, 0.02).until(lambda driver: driver.execute_script("return window.asked"))

    def answer(self) -> dict[str, Any]:
        output = self.driver.find_element(By.ID, "answer")
        answer: dict[str, Any] = json.loads(WebDriverWait(self.driver, 20, 0.02).until(lambda _: output.text))
        return answer
