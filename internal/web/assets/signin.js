// What the pages for signing in do beside, where scripts run: passkeys, a word about Caps Lock, a look at the password.
// Everything else works without.

// Pages that are made by the server tell hours by the reader's clock.
document.cookie = `zone=${encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone ?? "")}; path=/; max-age=31536000; samesite=strict; secure`;

const $ = (id) => document.getElementById(id);
const form = $("sign-in");
const trouble = $("passkey-trouble");

// base64url, as in the JSON of Web Authentication.
const toBytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const toText = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

async function post(path, body) {
  const lang = document.documentElement.lang;
  const answer = await fetch(`/sign-in/passkey${path}?lang=${lang}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const said = await answer.json();
  if (!answer.ok) throw new Error([said.text, said.action].filter(Boolean).join(" "));
  return said;
}

let running; // the question that the browser is asked now

// ask lets the browser show a passkey: silently among what it fills in (conditional), or in a window of its own.
async function ask(mediation) {
  running?.abort();
  const mine = (running = new AbortController());
  const { publicKey } = await post("/begin", {});
  if (mine.signal.aborted) return;
  const asked = { ...publicKey, challenge: toBytes(publicKey.challenge) };
  const key = await navigator.credentials.get({ publicKey: asked, signal: mine.signal, ...(mediation && { mediation }) });
  if (!key) return;
  const r = key.response;
  const credential = {
    id: key.id, rawId: toText(key.rawId), type: key.type, clientExtensionResults: key.getClientExtensionResults(),
    response: {
      clientDataJSON: toText(r.clientDataJSON), authenticatorData: toText(r.authenticatorData), signature: toText(r.signature),
      ...(r.userHandle && { userHandle: toText(r.userHandle) }),
    },
  };
  const { next } = await post("", { credential, remember: Boolean(form?.elements.remember?.checked), next: form?.elements.next?.value ?? "" });
  location.assign(next);
}

function say(error) {
  if (error.name === "AbortError" || error.name === "NotAllowedError") return; // taken back, or another was begun
  trouble.textContent = error.message;
  trouble.hidden = false;
}

// offer asks silently, and anew before the question gets too old.
async function offer() {
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  ask("conditional").catch(say);
  setInterval(() => document.hidden || ask("conditional").catch(say), 4 * 60 * 1000);
}

const button = $("passkey");
if (button && window.PublicKeyCredential) {
  button.hidden = false;
  button.addEventListener("click", () => {
    trouble.hidden = true;
    ask().catch(say);
  });
  if (form) offer().catch(() => {}); // the button is there all the same
}

const password = $("password");
if (password) {
  const caps = $("caps");
  const look = (e) => { caps.hidden = !e.getModifierState?.("CapsLock"); };
  password.addEventListener("keydown", look);
  password.addEventListener("keyup", look);
  const show = $("show");
  show.hidden = false;
  show.addEventListener("click", () => {
    const shown = password.type === "text";
    password.type = shown ? "password" : "text";
    show.setAttribute("aria-pressed", String(!shown));
    password.focus();
  });
  form.addEventListener("submit", () => { password.type = "password"; });
}

// What was typed goes along to who has forgotten the password, or cannot sign in for another reason.
if (form) {
  document.querySelectorAll(".help a").forEach((a) => a.addEventListener("click", () => {
    const to = new URL(a.href);
    if (form.elements.address.value) to.searchParams.set("address", form.elements.address.value);
    a.href = to;
  }));
}

// The webmail is fetched and rehearsed while somebody types (web/src/rehearsal.tsx). Once the password was right this page becomes it
// (web/src/app.tsx), with no other to load.
const base = form?.dataset.program;

function fetchProgram() {
  const link = (rel, file, more) => document.head.append(Object.assign(document.createElement("link"), { rel, href: base + file, ...more }));
  link("stylesheet", "app.css", { media: "not all", id: "program-style" });
  for (const file of ["shared.js", `text.${document.documentElement.lang}.js`, "app.js", "rehearsal.js"]) link("modulepreload", file);
}

let sending = false; // what was typed
let program; // once it is there
const fetched = () => import(`${base}app.js`).then((module) => (program = module));

async function rehearse() {
  const [{ App }, { rehearse }] = await Promise.all([fetched(), import(`${base}rehearsal.js`)]);
  await rehearse(App, base, () => !sending);
}

if (base) {
  addEventListener("load", () => {
    fetchProgram();
    rehearse().catch(() => {}); // it works without, too
  });
  addEventListener("pageshow", (e) => e.persisted && (sending = false)); // the browser kept the page, for who comes back
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    if (sending) return;
    sending = true;
    let text;
    let h;
    try {
      const answer = await fetch(form.action, { method: "POST", headers: { Accept: "application/json" }, body: new URLSearchParams(new FormData(form)) });
      [h, text] = [answer.headers, await answer.text()];
      if (!h.has("Content-Location")) return location.replace(JSON.parse(text).go);
    } catch {
      return form.submit(); // the browser says what is the matter with the line
    }
    history.replaceState(null, "", h.get("Content-Location"));
    if (h.get("X-Postiljon-Base") !== base) return location.reload(); // another version than what was fetched
    document.head.append(Object.assign(document.createElement("data"), { id: "first", textContent: text }));
    Promise.resolve(program ?? fetched()).then((p) => p.become()).catch(() => location.reload());
  });
}
