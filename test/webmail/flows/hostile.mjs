// Messages that try to run something, to fetch something or to take over the page are shown in the browser, inside of the
// webmail, while a server listens that must hear nothing: as the service makes them anew, and once more as they came, for the
// frame alone must hold them, too.

import { createServer } from "node:http";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { anna, assert, base, flow } from "../flow.mjs";
import { place } from "../mail.mjs";

const heard = [];
const listener = createServer((request, response) => {
  heard.push(`${request.method} ${request.url}`);
  response.end("<script>parent.pwned=1</script>");
}).listen(0, "127.0.0.1");
await once(listener, "listening");
const host = `127.0.0.1:${listener.address().port}`;

const marks = { "␊": "\n", "␍": "\r", "␉": "\t", "␌": "\f", "␀": "\0", "{L}": `http://${host}`, "{H}": host, "{J}": `parent.pwned=1;new Image().src='http://${host}/js'` };
const messages = readFileSync(new URL("../../../internal/web/sanitize/testdata/hostile.txt", import.meta.url), "utf8")
  .split("\n").filter((line) => line && !line.startsWith("# "))
  .map((line) => line.replace(/[␊␍␉␌␀]|\{[LHJ]\}/g, (mark) => marks[mark]));
assert.ok(messages.length >= 200);

await flow(async ({ person }) => {
  const page = await person(anna);
  const context = page.context();
  const elsewhere = [];
  const surprises = [];
  context.on("request", (request) => request.url().startsWith(base) || request.url().startsWith("data:") || elsewhere.push(request.url()));
  context.on("page", (opened) => surprises.push(`a window of ${opened.url()}`));
  page.on("dialog", (dialog) => (surprises.push(`a dialog: ${dialog.message()}`), void dialog.dismiss()));
  page.on("download", (download) => surprises.push(`a download of ${download.url()}`));

  const ids = await place(anna, messages.map(letterOf));
  const address = page.url();
  const odd = await frames(page, ids.map((id, n) => `/m/${id}/body?theme=${n % 2 ? "dark" : "light"}`));
  assert.deepEqual(odd, [], "what the frames hold");
  assert.deepEqual([elsewhere, surprises], [[], []], "requests that left, and what else happened");
  await unharmed(page, address);

  // As they came, with the headers that the frame has and nothing else in between. What the browser refuses it says.
  const other = await person(anna, { expect: [""], serviceWorkers: "block" });
  surprises.length = 0;
  other.on("dialog", (dialog) => (surprises.push(`a dialog: ${dialog.message()}`), void dialog.dismiss()));
  other.context().on("page", (opened) => surprises.push(`a window of ${opened.url()}`));
  const answered = other.waitForResponse((response) => response.url().endsWith("/body"));
  await frames(other, [`/m/${ids[0]}/body`]);
  const head = (await answered).headers();
  assert.match(head["content-security-policy"], /sandbox/);
  let served = 0;
  await other.route((url) => url.searchParams.has("raw"), async (route) => {
    served++;
    await route.fulfill({
      status: 200, contentType: "text/html; charset=utf-8", body: messages[Number(new URL(route.request().url()).searchParams.get("raw"))],
      headers: { "content-security-policy": head["content-security-policy"], "referrer-policy": head["referrer-policy"] },
    });
  });
  await frames(other, messages.map((_, n) => `/m/${ids[n]}/body?raw=${n}`));
  assert.equal(served, messages.length);
  await unharmed(other, address);
  assert.deepEqual(surprises, [], "what else happened");
});
listener.close();

/** letterOf is a message of HTML alone. */
function letterOf(html, n) {
  return `From: <attacker@elsewhere.test>\r\nTo: ${anna.address}\r\nSubject: ${n}\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n` +
    Buffer.from(html).toString("base64").replace(/.{76}/g, "$&\r\n") + "\r\n";
}

/** frames shows pages in frames as the webmail does, some at a time, moves the pointer over them, and returns what looks wrong. */
async function frames(page, sources) {
  const odd = [];
  for (let at = 0; at < sources.length; at += 60) {
    odd.push(...await page.evaluate(async (some) => {
      const box = document.createElement("div");
      box.style.cssText = "position:fixed;inset:0;overflow:auto;z-index:9;background:#fff";
      box.id = "hostile";
      document.body.append(box);
      const odd = [];
      await Promise.all(some.map((src) => new Promise((done) => {
        const frame = document.createElement("iframe");
        frame.sandbox = "allow-same-origin allow-popups allow-popups-to-escape-sandbox";
        frame.style.cssText = "width:30%;height:120px";
        frame.src = src;
        frame.onload = () => {
          const there = frame.contentDocument;
          if (!there?.querySelector("meta[name=postiljon-message]")) odd.push(`${src}: not the page of the service`);
          if (there?.querySelector("script, iframe, object, embed, form, input, svg, math, link, base, meta[http-equiv], [onload], [onerror]")) odd.push(`${src}: ${there.body.innerHTML}`);
          there?.querySelector("a, [tabindex]")?.focus();
          done();
        };
        box.append(frame);
      })));
      return odd;
    }, sources.slice(at, at + 60)));
    await page.mouse.move(200, 60);
    await page.mouse.move(500, 300, { steps: 10 });
    await page.waitForTimeout(100);
    await page.evaluate(() => document.getElementById("hostile").remove());
  }
  return odd;
}

/** unharmed looks whether the page is still the webmail and nothing ran in it. */
async function unharmed(page, address) {
  assert.equal(page.url(), address);
  assert.equal(await page.evaluate(() => window.pwned), undefined, "a script ran");
  assert.ok(await page.getByRole("main").first().isVisible());
  assert.deepEqual(heard, [], "what the server heard");
}
