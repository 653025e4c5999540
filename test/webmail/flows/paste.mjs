// Whatever is pasted into a message that is written, or quoted in it: no script runs, no request leaves, and the page stays as it is.

import { readFileSync } from "node:fs";
import { anna, assert, base, flow, until } from "../flow.mjs";

const marks = { "␊": "\n", "␍": "\r", "␉": "\t", "␌": "\f", "␀": "\0", "{L}": "http://127.0.0.1:9", "{H}": "127.0.0.1:9", "{J}": "window.pwned=1;new Image().src='http://127.0.0.1:9/js'" };
const messages = readFileSync(new URL("../../../internal/web/sanitize/testdata/hostile.txt", import.meta.url), "utf8")
  .split("\n").filter((line) => line && !line.startsWith("# "))
  .map((line) => line.replace(/[␊␍␉␌␀]|\{[LHJ]\}/g, (mark) => marks[mark]));
assert(messages.length >= 200);

await flow(async ({ person }) => {
  const page = await person(anna, { expect: ["Content Security Policy"] }); // which says what it kept from happening
  const elsewhere = [];
  page.context().on("request", (r) => r.url().startsWith(base) || /^(?:data|blob):/.test(r.url()) || elsewhere.push(r.url()));
  page.on("dialog", (d) => (elsewhere.push(`a dialog: ${d.message()}`), void d.dismiss()));
  await page.getByRole("button", { name: "Write" }).click();
  await page.getByRole("textbox", { name: "Subject" }).fill("Klistrat");
  const text = page.getByRole("textbox", { name: "Text of the message" });
  await text.click();
  const left = await page.evaluate(async (messages) => {
    const editor = document.querySelector(".editor");
    const odd = [];
    for (const html of messages) {
      const data = new DataTransfer();
      data.setData("text/html", html);
      editor.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
      await new Promise((go) => setTimeout(go));
      for (const e of editor.querySelectorAll("*")) {
        const bad = /^(?:script|iframe|object|embed|form|input|button|textarea|select|style|link|meta|base|svg|math|video|audio|template)$/i.test(e.localName) ||
          [...e.attributes].some((a) => /^on/i.test(a.name) || a.name === "id" || a.name === "name" || /^\s*(?:javascript|vbscript|data:text)/i.test(a.value)) ||
          /(?:^|;)\s*position|url\(|fixed/i.test(e.getAttribute("style") ?? "");
        if (bad) odd.push(`${html} left ${e.outerHTML.slice(0, 200)}`);
      }
      if (window.pwned) odd.push(`${html} ran`);
      editor.replaceChildren();
    }
    return odd;
  }, messages);
  assert.deepEqual(left, []);

  // All of it at once is saved, closed and opened again.
  await page.evaluate((messages) => {
    const data = new DataTransfer();
    data.setData("text/html", messages.slice(0, 120).join("<p>och</p>"));
    document.querySelector(".editor").dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  }, messages);
  await text.press("End");
  await page.keyboard.type("slut");
  await page.getByText("Saved", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Save and close" }).click();
  await page.getByRole("button", { name: "Open", exact: true }).click();
  await text.getByText("slut").first().waitFor();
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  assert.deepEqual(elsewhere, []);
  await until(page, () => document.querySelectorAll(".compose").length === 1 && document.querySelector(".topbar").isConnected);
});
