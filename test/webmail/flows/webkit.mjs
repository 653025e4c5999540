// The same in WebKit, as Safari and all browsers of iPhones have it: signing in, reading, writing and sending, searching, archiving and undoing
// that, what is kept for a missing line, the settings and the doctor.

import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { createServer } from "node:net";
import { anna, assert, base, bo, deliver, letter } from "../flow.mjs";
import { imap } from "../imap.mjs";

const mail = await imap(anna);
await mail(`SETMETADATA "" (/private/vendor/postiljon/tour "seen")`);
mail.close();
await deliver(anna.address, letter({ subject: "Till fjälls", text: "Vi tar tåget klockan sju." }));

const binary = readdirSync("/usr/lib").map((d) => `/usr/lib/${d}/webkit2gtk-4.1/MiniBrowser`).find((path) => existsSync(path));
const port = await new Promise((resolve) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});
const driver = spawn("xvfb-run", ["-a", "-s", "-screen 0 1440x960x24", "WebKitWebDriver", `--port=${port}`], {
  detached: true, stdio: "ignore", env: { ...process.env, WEBKIT_DISABLE_COMPOSITING_MODE: "1", WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1" }, // no nested namespaces where tests run
});

/** ask gives a command of WebDriver (W3C) and answers its value. */
async function ask(method, path, body) {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, body: body && JSON.stringify(body), signal: AbortSignal.timeout(30_000) });
  const { value } = await response.json();
  if (value?.error) throw new Error(`WebDriver ${path}: ${value.error} ${value.message}`);
  return value;
}

/** patiently tries again what throws or answers nothing, for a while. */
async function patiently(what, work) {
  let last;
  for (const end = Date.now() + 20_000; Date.now() < end; await new Promise((again) => setTimeout(again, 100))) {
    try {
      const answer = await work();
      if (answer) return answer;
    } catch (error) {
      last = error;
    }
  }
  throw new Error(`not within 20 seconds: ${what}`, { cause: last });
}

const keys = { enter: "\uE007", control: "\uE009", escape: "\uE00C" };

try {
  const { sessionId } = await patiently("a browser", () => ask("POST", "/session", {
    capabilities: { alwaysMatch: { acceptInsecureCerts: true, "webkitgtk:browserOptions": { binary, args: ["--automation"] } } },
  }));
  const at = `/session/${sessionId}`;
  const run = (script, ...args) => ask("POST", `${at}/execute/sync`, { script, args });
  const until = (condition, ...args) => patiently(condition, () => run(`return ${condition}`, ...args));
  const element = async (css) => Object.values(await patiently(css, () => ask("POST", `${at}/element`, { using: "css selector", value: css })))[0];
  const type = async (css, text) => ask("POST", `${at}/element/${await element(css)}/value`, { text });
  // The driver waits for a page that a click opens within a frame, and never sees it end: so it happens when the driver has gone.
  const click = (css) => until("(document.querySelector(arguments[0]) && (setTimeout(() => document.querySelector(arguments[0]).click(), 20), true))", css);
  const go = (path) => run("const to = arguments[0]; setTimeout(() => location.assign(to), 20)", base + path);
  const sees = (text) => until("document.body?.innerText.includes(arguments[0])", text);
  const reads = (text) => until("[...document.querySelectorAll('iframe.body')].some((f) => f.contentDocument?.body?.innerText.includes(arguments[0]) && f.clientHeight > 20)", text);

  await ask("POST", `${at}/window/rect`, { width: 1440, height: 940 });
  await ask("POST", `${at}/url`, { url: `${base}/sign-in?next=/mail/inbox&lang=en` });
  await type("input[name=address]", anna.address);
  await type("input[name=password]", anna.password);
  await click("button[type=submit]");

  // Read: the text has the height it needs.
  await sees("Till fjälls");
  await run("window.troubles = []; addEventListener('error', (e) => troubles.push(e.message)); addEventListener('unhandledrejection', (e) => troubles.push(String(e.reason)))");
  await click("#list .row a");
  await reads("Vi tar tåget");

  // Write and send.
  await type("body", "c");
  await type(".compose [role=combobox]", `${bo.address} `);
  await type("input[aria-label=Subject]", "Kartan");
  await type("[contenteditable=true]", "Här är kartan.");
  await ask("POST", `${at}/actions`, { actions: [{ type: "key", id: "keys", actions: [
    { type: "keyDown", value: keys.control }, { type: "keyDown", value: keys.enter }, { type: "keyUp", value: keys.enter }, { type: "keyUp", value: keys.control }] }] });
  await sees(`Sending to ${bo.address}`);

  // Search, archive, and undo.
  await type("[role=combobox]", "tåget");
  await until("document.querySelector('#list mark')");
  await type("[role=combobox]", keys.escape);
  await until("!location.search && document.querySelector('#list .row')");
  await click("#list .row a");
  await reads("Vi tar tåget");
  await type("body", "e");
  await sees("Nothing new");
  await type("body", "z");
  await sees("Till fjälls");
  assert.deepEqual(await run("return window.troubles"), []);

  // What is kept without a line; the other pages.
  await until("navigator.serviceWorker.controller?.state === 'activated'");
  await go("/settings/check");
  await sees("Your newest messages can be read without a connection.");
  await sees("Everything works.");
  await go("/settings/security");
  await until("document.title.startsWith('Security') && document.querySelector('main h1')");
  await go("/doctor");
  await sees("What is wrong?");
  await ask("DELETE", at);
} finally {
  process.kill(-driver.pid); // with the screen and the browser
}
