// The same in Firefox: signing in, writing with an attached file, taking it back, sending, reading, searching, archiving and undoing that, the settings and
// the doctor, without a word of the browser's about anything that it does not know or allow.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import puppeteer from "puppeteer-core";
import { anna, assert, base, bo, deliver, letter } from "../flow.mjs";
import { imap } from "../imap.mjs";

const mail = await imap(anna);
await mail(`SETMETADATA "" (/private/vendor/postiljon/tour "seen")`);
mail.close();
await deliver(anna.address, letter({ subject: "Till fjälls", text: "Vi tar tåget klockan sju." }));

const folder = mkdtempSync(join(tmpdir(), "firefox-"));
const file = join(folder, "karta.txt");
writeFileSync(file, "Norrut, sedan österut.\n".repeat(100));

const browser = await puppeteer.launch({
  browser: "firefox", executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr", acceptInsecureCerts: true,
  extraPrefsFirefox: { "intl.accept_languages": "en-GB" },
});
const troubles = [];
try {
  const page = await browser.newPage();
  await page.setViewport({ width: 1440, height: 900 });
  page.setDefaultTimeout(15_000);
  // Of a frame that went before its page came Firefox says so without an address, in the console or as an error; what fails otherwise has one.
  const note = (text) => text.includes("Failed to load ‘’.") || troubles.push(text);
  page.on("pageerror", (error) => note(String(error.stack ?? error)));
  page.on("console", (m) => m.type() === "error" && note(m.text()));
  const named = (role, name) => page.locator(`::-p-aria([name="${name}"][role="${role}"])`);
  const seen = (text) => page.waitForSelector(`::-p-text(${text})`);
  const sends = async () => {
    await page.keyboard.down("Control");
    await page.keyboard.press("Enter");
    await page.keyboard.up("Control");
    await seen("Sending to");
  };

  await page.goto(`${base}/sign-in?next=/mail/inbox`);
  await page.locator("input[name=address]").fill(anna.address);
  await page.locator("input[name=password]").fill(anna.password);
  await page.locator("button[type=submit]").click();

  // Read: the text has the height it needs.
  await (await seen("Till fjälls")).click();
  const read = (text) => page.waitForFunction((text) => [...document.querySelectorAll("iframe.body")].some((f) => f.contentDocument?.body?.innerText.includes(text) && f.clientHeight > 20), {}, text);
  await read("Vi tar tåget");

  // Write with a file, take it back, and send it now.
  await page.keyboard.press("c");
  const editor = () => page.waitForSelector("[contenteditable=true]");
  await editor();
  await page.keyboard.type(`${bo.address} `);
  await page.locator("input[aria-label=Subject]").fill("Kartan");
  await (await editor()).click();
  await page.keyboard.type("Här är kartan.");
  const [chooser] = await Promise.all([page.waitForFileChooser(), named("button", "Attach files").click()]);
  await chooser.accept([file]);
  await seen("karta.txt");
  await sends();
  await page.locator(".toast button").click();
  await (await editor()).click();
  await seen("karta.txt");
  await sends();
  await page.goto(`${base}/mail/outbox`);
  await page.locator(".outbox-do button[aria-haspopup=menu]").click();
  await named("menuitem", "Send now").click();
  await seen("Nothing waits");

  // Search, archive, and undo.
  await page.goto(`${base}/mail/inbox`);
  await page.locator("[role=combobox]").fill("tåget");
  await page.waitForSelector("#list mark");
  await page.keyboard.press("Escape");
  await seen("Till fjälls");
  await page.locator("#list .row").click();
  await read("Vi tar tåget");
  await page.keyboard.press("e");
  await seen("Nothing new");
  await page.keyboard.press("z");
  await seen("Till fjälls");

  // What was sent has come; the settings and the doctor are there.
  await page.goto(`${base}/mail/sent`);
  await page.waitForSelector(".row-way[title=Delivered]");
  for (const [where, title] of [["settings/rules", "Rules"], ["settings/security", "Security"], ["settings/check", "Is everything all right?"]]) {
    await page.goto(`${base}/${where}`);
    await page.waitForFunction((title) => document.title.startsWith(title) && document.querySelector("main h1")?.textContent, {}, title);
  }
  await page.goto(`${base}/doctor`);
  await page.waitForSelector("h1");
} finally {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}
assert.deepEqual(troubles, []);
