// "Try it" in the API reference. Without this script the page is complete, except for that.
const root = document.getElementById("calls").dataset.root;
const token = document.getElementById("token");
document.getElementById("credentials").hidden = false;

function make(name, properties, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

function field(form, id, text, input) {
  Object.assign(input, { id, autocomplete: "off", spellcheck: false });
  form.append(make("label", { htmlFor: id }, text), input);
  return input;
}

function credentials(auth) {
  const value = (id) => encodeURIComponent(document.getElementById(id).value.trim());
  const bearer = token.value.trim().replace(/^bearer\s+/i, "");
  if (auth === "basic") return { Authorization: `Basic ${btoa(`${value("client-id")}:${value("client-secret")}`)}` };
  return auth === "bearer" && bearer ? { Authorization: `Bearer ${bearer}` } : {};
}

function readable(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

async function send(call, values, body) {
  const query = new URLSearchParams();
  let path = call.path.slice(1);
  for (const [name, value] of values) {
    if (path.includes(`{${name}}`)) path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (value) query.append(name, value);
  }
  const headers = credentials(call.auth);
  if (call.media) headers["Content-Type"] = call.media;
  const url = root + path + (String(query) && `?${query}`);
  return fetch(url, { method: call.method, headers, body, credentials: call.auth === "cookie" ? "same-origin" : "omit", cache: "no-store" });
}

async function show(answer, output) {
  const text = await answer.text();
  const shown = /^(x-|retry-after|www-authenticate|allow|content-type)/;
  const lines = [...answer.headers].filter(([name]) => shown.test(name)).map(([name, value]) => `${name}: ${value}`);
  output.replaceChildren(make("pre", { className: "example" }, [`${answer.status} ${answer.statusText}`, ...lines, "", readable(text)].join("\n")));
  const [, code] = text.match(/"code":"([a-z_]+)"/) ?? [];
  if (!answer.ok && code) {
    output.append(make("p", {}, "What this means: ", make("a", { href: `${root}problems/${code}` }, code)));
  }
  const [, issued] = text.match(/"access_token":"([^"]+)"/) ?? [];
  if (answer.ok && issued) {
    token.value = issued;
    output.append(make("p", {}, "The access token is filled in for the next calls."));
  }
}

function fillIn(details, article) {
  const call = article.dataset;
  const form = make("form", {});
  const names = call.parameters.split(" ").filter(Boolean);
  const inputs = names.map((name) => [name, field(form, `${article.id}-${name}`, name, make("input", { required: call.path.includes(`{${name}}`) }))]);
  const body = call.media && field(form, `${article.id}-body`, `Body (${call.media})`, make("textarea", { value: call.body, rows: call.body.split("\n").length + 1 }));
  const output = make("output", {});
  form.append(make("button", {}, `Send ${call.method} ${call.path}`), output);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    output.replaceChildren(make("p", {}, "Sending…"));
    try {
      await show(await send(call, inputs.map(([name, input]) => [name, input.value.trim()]), body ? body.value : undefined), output);
    } catch (error) {
      output.replaceChildren(make("p", { className: "bad" }, `The call could not be sent: ${error.message}`));
    }
  });
  details.append(form);
}

for (const article of document.querySelectorAll("article")) {
  const details = make("details", { className: "try" }, make("summary", {}, "Try it"));
  details.addEventListener("toggle", () => fillIn(details, article), { once: true });
  article.append(details);
}
