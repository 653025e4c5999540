// Notifications: switched on, confirmed, tried; mail that comes while no page is open is shown with sender and subject, quietly
// where somebody wants that; a click leads to the conversation. The push service of the browser, which is on the internet,
// is played here: what the server sends is decrypted as a browser does it (RFC 8291), and handed to the worker.

import { createECDH, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { join } from "node:path";
import { anna, assert, base, deliver, flow, info, letter, until } from "../flow.mjs";
import { jmap } from "../mail.mjs";

const key = createECDH("prime256v1");
key.generateKeys();
const secret = randomBytes(16);

function decrypt(body) {
  const salt = body.subarray(0, 16);
  const sender = body.subarray(21, 21 + body[20]);
  const text = body.subarray(21 + body[20]);
  const told = Buffer.concat([Buffer.from("WebPush: info\0"), key.getPublicKey(), sender]);
  const ikm = Buffer.from(hkdfSync("sha256", key.computeSecret(sender), secret, told, 32));
  const part = (name, n) => Buffer.from(hkdfSync("sha256", ikm, salt, `Content-Encoding: ${name}\0`, n));
  const cipher = createDecipheriv("aes-128-gcm", part("aes128gcm", 16), part("nonce", 12));
  cipher.setAuthTag(text.subarray(-16));
  const plain = Buffer.concat([cipher.update(text.subarray(0, -16)), cipher.final()]);
  return plain.subarray(0, plain.lastIndexOf(2)).toString();
}

/** pushService answers its address, and gives the worker of the page what comes. */
async function pushService(page) {
  const browser = await page.context().newCDPSession(page);
  let registration;
  browser.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => (registration = registrations.find((r) => !r.isDeleted && r.scopeURL === `${base}/`)?.registrationId ?? registration));
  await browser.send("ServiceWorker.enable");
  const folder = join(info.data, "tls");
  const told = [];
  const server = createServer({ key: readFileSync(join(folder, "server.key")), cert: readFileSync(join(folder, "server.pem")) }, async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    response.writeHead(201).end();
    const data = decrypt(Buffer.concat(parts));
    told.push({ ...JSON.parse(data), urgency: request.headers.urgency, vapid: request.headers.authorization });
    await browser.send("ServiceWorker.deliverPushMessage", { origin: base, registrationId: registration, data });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `https://localhost:${server.address().port}/device`, told, close: () => server.close() };
}

await flow(async ({ person }) => {
  const page = await person(anna, { permissions: ["notifications"] });
  const service = await pushService(page);
  try {
    const subscription = { endpoint: service.url, keys: { p256dh: key.getPublicKey("base64url"), auth: secret.toString("base64url") } };
    await page.addInitScript((subscription) => {
      const made = { toJSON: () => subscription, unsubscribe: async () => true };
      PushManager.prototype.subscribe = async (options) => {
        if (!options.userVisibleOnly || options.applicationServerKey.length < 80) throw new TypeError("not what a browser wants");
        return made;
      };
      PushManager.prototype.getSubscription = async () => (localStorage.getItem("lost") ? null : made);
    }, subscription);
    await page.goto(`${base}/settings/notifications`);
    await page.getByText("They are off").waitFor();
    await page.getByRole("switch", { name: "Notifications in this browser" }).check({ force: true });
    await page.getByText("They are on").waitFor();
    assert.equal(service.told[0]["@type"], "PushVerification");
    assert.match(service.told[0].vapid, /^vapid t=/);

    await page.getByRole("button", { name: "Send a test" }).click();
    await page.getByText(/It came after \d+(\.\d)? seconds\./).waitFor();

    // A browser that was set up anew has forgotten what it was told with; it is made one that is told again.
    const told = async () => (await jmap(page, ["PushSubscription/get", { ids: null, accountId: undefined }]))[0].list.map((s) => s.id);
    const [before] = await told();
    await page.evaluate(() => localStorage.setItem("lost", "yes"));
    await page.reload();
    for (let tries = 0, now = [before]; now.length !== 1 || now[0] === before; now = await told()) {
      assert.ok(tries++ < 60, "nobody told the server of the new one");
      await page.waitForTimeout(250);
    }
    await page.evaluate(() => localStorage.removeItem("lost"));

    // A folder that is told of, without a sound.
    await jmap(page, ["Mailbox/set", { create: { q: { name: "Lugnt" } } }]);
    await page.evaluate(async () => {
      const { csrf } = JSON.parse(document.getElementById("first").textContent);
      const rules = [{ name: "lugnt", if: [{ field: "subject", values: ["tyst"] }], move: "Lugnt" }];
      const answer = await fetch("/api/rules", { method: "PUT", headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf }, body: JSON.stringify({ settings: { rules } }) });
      if (!answer.ok) throw new Error(await answer.text());
    });
    await page.reload();
    const folder = (where, name) => where.locator("details").filter({ has: where.locator("summary strong", { hasText: new RegExp(`^${name}$`) }) });
    await folder(page, "Lugnt").locator("summary").click();
    await folder(page, "Lugnt").getByRole("switch", { name: "Notify me" }).check({ force: true });
    await folder(page, "Lugnt").getByLabel("Sound").selectOption("No sound");
    await folder(page, "Lugnt").getByText("with notifications · No sound · counted").waitFor();
    await page.getByLabel("Sound of new mail").selectOption("Bell");

    // What was chosen holds in another browser, too, which hears of it while it is open; there this one can be switched off.
    const other = await person(anna);
    await other.goto(`${base}/settings/notifications`);
    await folder(other, "Lugnt").getByText("with notifications · No sound · counted").waitFor();
    await until(other, () => document.querySelector("select").value === "bell");
    await other.getByLabel("Sound of new mail").selectOption("That of the device");
    await until(page, () => document.querySelector("select").value === "device");
    await other.getByText("Other devices with notifications").waitFor();

    // No page is open; mail comes.
    const worker = page.context().serviceWorkers()[0];
    await worker.evaluate(() => {
      navigator.setAppBadge = async (n) => void (self.badge = n);
    });
    await page.goto("about:blank");
    const shown = () => worker.evaluate(async () => (await self.registration.getNotifications()).map((n) => ({ title: n.title, body: n.body, silent: n.silent, url: n.data.url, badge: self.badge })));
    const notice = async (title, body = /./) => {
      for (let i = 0; i < 300; i++) {
        const one = (await shown()).find((n) => n.title === title && body.test(n.body));
        if (one) return one;
        await new Promise((r) => setTimeout(r, 50));
      }
      throw new Error(`no notification ${title}: ${JSON.stringify([await shown(), service.told])}`);
    };
    await deliver(anna.address, letter({ from: "Märta Ång <marta@elsewhere.test>", subject: "Fika på torsdag?", text: "Jag tar med bullar." }));
    const loud = await notice("Märta Ång");
    assert.deepEqual([loud.body, loud.silent, loud.badge], ["Fika på torsdag?\nJag tar med bullar.", false, 1]);
    await deliver(anna.address, letter({ from: "Maskin <m@elsewhere.test>", subject: "tyst", text: "Klart." }));
    assert.deepEqual((await notice("Maskin")).silent, true);
    assert.equal((await notice("Maskin")).badge, 2);
    await folder(other, "Lugnt").locator("summary").click();
    await folder(other, "Lugnt").getByRole("switch", { name: "Count" }).uncheck({ force: true });
    await until(other, () => document.querySelector("link[rel=icon]").href.includes(encodeURIComponent(">1<")));
    await other.getByLabel("On the icon and the tab").selectOption("Only a dot");
    await until(other, () => document.querySelector("link[rel=icon]").href.includes(encodeURIComponent(">•<")));
    await other.getByText("Saved").first().waitFor();

    // A click brings the page that is open to the conversation.
    await page.goto(`${base}/mail/drafts`);
    await page.getByRole("heading", { name: "Drafts" }).first().waitFor();
    await worker.evaluate(async () => {
      const notification = (await self.registration.getNotifications()).find((n) => n.title === "Märta Ång");
      self.dispatchEvent(new NotificationEvent("notificationclick", { notification }));
    });
    await page.getByRole("heading", { name: "Fika på torsdag?" }).waitFor();
    assert.equal(new URL(page.url()).pathname, loud.url);

    // Without a preview only the number is told; switched off, nothing is.
    await page.goto(`${base}/settings/notifications`);
    await page.getByRole("switch", { name: "Show who wrote and what" }).uncheck({ force: true });
    await page.getByText("Saved").first().waitFor();
    await page.goto("about:blank");
    await deliver(anna.address, letter({ subject: "Hemligt" }));
    await notice("Postiljon", /^\d+ new messages$/);
    assert.doesNotMatch(JSON.stringify(service.told.at(-1)), /Hemligt/);
    await page.goto(`${base}/settings/notifications`);
    await page.getByText("They are on").waitFor();
    await other.reload();
    await other.getByRole("button", { name: "Switch off" }).click();
    await other.getByText("It no longer gets notifications.").waitFor();
    await page.reload();
    await page.getByText("They are off").waitFor();
    await until(page, () => localStorage.getItem("postiljon-push") === null); // and it does not switch itself on again
    await page.getByRole("switch", { name: "Notifications in this browser" }).check({ force: true });
    await page.getByText("They are on").waitFor();
    await page.reload();
    await page.getByRole("switch", { name: "Notifications in this browser" }).uncheck({ force: true });
    await page.getByText("They are off").waitFor();
    const [left] = await jmap(page, ["PushSubscription/get", { ids: null, accountId: undefined }]);
    assert.deepEqual(left.list, []);
  } finally {
    service.close();
  }
});
