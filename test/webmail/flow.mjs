// What the flows have in common: a browser, somebody who is signed in, mail that arrives, and looking for trouble on the page.

import { chromium } from "playwright-core";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import assert from "node:assert/strict";
import tls from "node:tls";
import { imap } from "./imap.mjs";

export { assert };
export const info = JSON.parse(process.env.POSTILJON);
export const base = `https://${info.https}`;
export const [anna, bo, cilla] = info.accounts;

export const sizes = { phone: { width: 390, height: 844 }, tablet: { width: 820, height: 1180 }, desktop: { width: 1440, height: 900 } };

let shownAround = false;

/** flow runs one flow with a browser, and fails if the page broke on the way. Nobody is shown around, but for tour: true. */
export async function flow(work, { tour = false } = {}) {
  for (const account of tour || shownAround ? [] : info.accounts) {
    const mail = await imap(account);
    await mail(`SETMETADATA "" (/private/vendor/postiljon/tour "seen")`);
    mail.close();
  }
  shownAround = true;
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--ignore-certificate-errors"],
  });
  const troubles = [];
  try {
    await work({ browser, person: (account, options) => person(browser, troubles, account, options) });
    assert.deepEqual(troubles, [], "the page broke");
  } catch (error) {
    console.error(error, troubles.join("\n"));
    for (const context of browser.contexts()) {
      for (const page of context.pages()) {
        console.error(page.url(), (await page.locator("body").innerText().catch(() => "")).slice(0, 2000));
        if (process.env.POSTILJON_SHOTS) await page.screenshot({ path: `${process.env.POSTILJON_SHOTS}/failed.png` }).catch(() => {});
      }
    }
    process.exitCode = 1;
  } finally {
    await browser.close();
    if (process.exitCode) process.exit(); // whatever connection the failure left open
  }
}

/** person is a window of somebody who is signed in, at the inbox. Options are those of a browser context, and signIn: false. */
export async function person(browser, troubles, account, { signIn: wanted = true, expect = [], ...options } = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, locale: "en-GB", viewport: sizes.desktop, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const known = (text) => expect.some((e) => text.includes(e));
  page.on("pageerror", (error) => known(String(error)) || troubles.push(String(error.stack ?? error)));
  page.on("console", (m) => {
    const text = `${m.text()} at ${m.location().url}`;
    if (m.type() === "error" && !known(text)) troubles.push(text);
  });
  if (wanted) await signIn(page, account);
  return page;
}

/** signIn signs somebody in by the page for it. */
export async function signIn(page, account, next = "/mail/inbox") {
  await page.goto(`${base}/sign-in?next=${encodeURIComponent(next)}`);
  await page.fill("input[name=address]", account.address);
  await page.fill("input[name=password]", account.password);
  await page.click("button[type=submit]");
  await page.waitForURL(`**${next}`);
}

/** until waits for a function in the page, which may be asynchronous, to answer something true. */
export async function until(page, f, argument) {
  const end = Date.now() + 15_000;
  for (;;) {
    const answer = await page.evaluate(f, argument);
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`not within 15 seconds: ${f}`);
    await new Promise((r) => setTimeout(r, 50));
  }
}

/** command runs a command of the program against the service. */
export function command(...args) {
  return execFileSync(process.env.POSTILJON_BIN, [...args, "--socket", info.control], { encoding: "utf8" });
}

/** deliver sends a message over SMTP as another server would, and answers when it was taken. */
export async function deliver(to, text, from = "sender@elsewhere.test") {
  const { connect } = await import("node:net");
  const [host, port] = split(info.smtp);
  const socket = connect({ host, port });
  await talk(socket, [null, "EHLO client.test", `MAIL FROM:<${from}>`, `RCPT TO:<${to}>`, "DATA", text.replace(/\r?\n/g, "\r\n").replace(/^\./gm, "..") + "\r\n.", "QUIT"]);
}

/** submit sends a message as an account, over TLS; ret is what is to be returned of it, such as "RET=FULL". */
export async function submit(account, to, text, ret = "") {
  const [host, port] = split(info.submissions);
  const socket = tls.connect({ host, port, ca: readFileSync(info.ca), servername: "localhost", checkServerIdentity: () => undefined });
  const plain = Buffer.from(`\0${account.address}\0${account.password}`).toString("base64");
  await talk(socket, [null, "EHLO client.test", `AUTH PLAIN ${plain}`, `MAIL FROM:<${account.address}> ${ret}`.trim(), ...[to].flat().map((r) => `RCPT TO:<${r}>`), "DATA",
    text.replace(/\r?\n/g, "\r\n").replace(/^\./gm, "..") + "\r\n.", "QUIT"]);
}

function split(address) {
  const at = address.lastIndexOf(":");
  return [address.slice(0, at).replace(/^\[|\]$/g, ""), Number(address.slice(at + 1))];
}

async function talk(socket, lines) {
  let buffered = "";
  const replies = [];
  let wake = () => {};
  socket.setEncoding("utf8");
  socket.on("data", (chunk) => {
    buffered += chunk;
    for (let m; (m = /^(?:\d{3}-.*\r\n)*(\d{3}) .*\r\n/.exec(buffered)); ) {
      replies.push(m[0]);
      buffered = buffered.slice(m[0].length);
    }
    wake();
  });
  const failed = new Promise((_, reject) => {
    socket.on("error", reject);
    socket.setTimeout(20_000, () => reject(new Error("SMTP: no answer")));
  });
  failed.catch(() => {});
  try {
    for (const line of lines) {
      if (line !== null) socket.write(`${line}\r\n`);
      while (replies.length === 0) await Promise.race([failed, new Promise((r) => (wake = r))]);
      const reply = replies.shift();
      if (!/^[23]/.test(reply)) throw new Error(`SMTP: ${line?.slice(0, 80)}: ${reply}`);
    }
  } finally {
    socket.destroy();
  }
}

/** letter is a plain message. */
export function letter({ from = "Greta Test <greta@elsewhere.test>", to = anna.address, subject = "Hello", text = "Hello there.", headers = "" } = {}) {
  return `From: ${from}\r\nTo: ${to}\r\nSubject: ${subject}\r\nDate: ${new Date().toUTCString().replace("GMT", "+0000")}\r\nMessage-ID: <${crypto.randomUUID()}@elsewhere.test>\r\n${headers}` +
    `MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${text}\r\n`;
}

/** violations are what axe finds on the page by these rules, by default all of WCAG 2.2 AA and what axe calls best practice. */
export async function violations(page, what, rules) {
  const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  // The page's own policy allows no foreign script; the debugger's evaluation is not bound by it.
  await page.evaluate(`window.axe || (() => { ${axe} })(); undefined`);
  const { violations } = await page.evaluate((rules) => window.axe.run(document, { iframes: false, ...(rules && { runOnly: rules }) }), rules);
  return violations.flatMap((v) => v.nodes.map((n) => `${what}: ${v.id}: ${n.target.join(" ")}: ${n.failureSummary.replace(/\s+/g, " ")}`));
}

/** accessible fails if axe finds something. */
export async function accessible(page, what) {
  assert.deepEqual(await violations(page, what), []);
}
