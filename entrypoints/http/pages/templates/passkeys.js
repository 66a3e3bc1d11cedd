// Forms with data-passkey="get", "create" or "sign-in": the browser's answer goes into the field `credential`.
const FRESH = 4 * 60 * 1000;
const able = window.PublicKeyCredential;

if (able?.parseRequestOptionsFromJSON && able.parseCreationOptionsFromJSON) {
  document.querySelectorAll("[data-without-passkeys]").forEach((element) => { element.hidden = true; });
  document.querySelectorAll("form[data-passkey]").forEach(prepare);
}

function prepare(form) {
  const { passkey, options, url, failed, exists } = form.dataset;
  const alert = form.querySelector("[role=alert]") ?? form.appendChild(document.createElement("p"));
  alert.setAttribute("role", "alert");
  alert.className = "bad";
  let loaded = { at: 0, options: options && JSON.parse(options) };
  let running, pressed = false;

  async function load() {
    if (options || Date.now() - loaded.at < FRESH) return;
    const answer = await fetch(url, { method: "POST", credentials: "omit" });
    if (!answer.ok) throw new Error((await answer.json()).detail);
    const { challenge, options: offered } = await answer.json();
    loaded = { at: Date.now(), options: offered };
    form.elements.challenge.value = challenge;
  }

  async function ask(mediation) {
    running?.abort();
    const { signal } = running = new AbortController();
    await load();
    const credential = passkey === "create"
      ? await navigator.credentials.create({ publicKey: able.parseCreationOptionsFromJSON(loaded.options), signal })
      : await navigator.credentials.get({ publicKey: able.parseRequestOptionsFromJSON(loaded.options), signal, mediation });
    form.elements.credential.value = JSON.stringify(credential.toJSON());
    form.submit();
  }

  // Offers passkeys in the list of the field for the name, again before each challenge expires.
  async function offer() {
    if (await able.isConditionalMediationAvailable?.() && !pressed) ask("conditional").catch(() => {});
  }

  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    alert.textContent = "";
    pressed = true;
    try {
      await ask();
      return;
    } catch (error) {
      if (error.name === "AbortError") return;
      const named = { NotAllowedError: failed, InvalidStateError: exists };
      alert.textContent = named[error.name] ?? error.message;
    }
    pressed = false;
    if (passkey === "sign-in") offer();
  });
  if (passkey === "sign-in") {
    offer();
    setInterval(offer, FRESH + 30_000);
    addEventListener("pageshow", (event) => { if (event.persisted) offer(); });
  }
}
