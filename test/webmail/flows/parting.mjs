// Nothing is lost as somebody goes: a draft that was discarded without a line, one that is opened again while it is saved, what another window left to
// be done, what is not saved when somebody signs out, and what was done by somebody whose session ended before somebody else signed in.

import { anna, assert, base, bo, deliver, flow, letter, signIn, until } from "../flow.mjs";
import { inMailbox, jmap } from "../mail.mjs";

const row = (page, subject) => page.locator("#list .row", { hasText: subject });

await flow(async ({ person }) => {
  for (const n of [1, 2, 3]) await deliver(anna.address, letter({ subject: `Brev nummer ${n}` }));
  const page = await person(anna, { expect: ["ERR_INTERNET_DISCONNECTED", "ERR_FAILED", "Failed to fetch", "net::ERR", "401"] });
  const text = page.getByRole("textbox", { name: "Text of the message" });
  const write = async (subject) => {
    await page.goto(`${base}/mail/inbox?mailto=${encodeURIComponent(`mailto:${bo.address}?subject=${subject}`)}`);
    await text.fill("Först.", { timeout: 45_000 });
  };
  const where = async (role) => {
    const [emails] = await jmap(page, ["Email/get", { ids: await inMailbox(page, role), properties: ["subject", "preview"] }]);
    return emails.list.map((e) => `${e.subject}: ${e.preview.trim()}`).sort();
  };
  const eventually = async (so) => {
    for (const end = Date.now() + 15_000; !(await so()); await page.waitForTimeout(100)) assert.ok(Date.now() < end, `not within 15 seconds: ${so}`);
  };

  // Discarded without a line, and taken back.
  await write("Kastad");
  await page.getByText("Saved", { exact: true }).waitFor();
  await page.context().setOffline(true);
  await text.fill("Sedan.");
  await page.locator(".compose-foot").getByRole("button", { name: "Discard" }).click();
  await page.locator(".toast", { hasText: "discarded" }).getByRole("button", { name: "Undo" }).click();
  await text.getByText("Sedan.").waitFor();
  await page.context().setOffline(false);
  await eventually(async () => (await where("drafts")).join() === "Kastad: Sedan.");
  assert.deepEqual(await where("trash"), []);

  // Closed, and opened again before it is saved: it is the same draft, and nobody else changed it.
  let arrive;
  const slow = new Promise((resolve) => (arrive = resolve));
  await page.goto(`${base}/mail/drafts`);
  await row(page, "Kastad").click();
  await text.fill("Till slut.");
  await page.route("**/jmap/api", async (route) => {
    if (route.request().postData().includes('"create"')) await slow;
    await route.continue();
  });
  await text.press("Escape");
  await text.waitFor({ state: "detached" });
  await row(page, "Kastad").click();
  await text.getByText("Till slut.").waitFor();
  arrive();
  await page.getByText("Saved", { exact: true }).waitFor();
  assert.equal(await page.getByText("changed or removed in another window").count(), 0);
  await text.fill("Till allra sist.");
  await page.getByText("Saving").or(page.getByText("Saved", { exact: true })).first().waitFor();
  await eventually(async () => (await where("drafts")).join() === "Kastad: Till allra sist.");
  assert.equal(await page.getByText("changed or removed in another window").count(), 0);
  await page.unroute("**/jmap/api");

  // Who signs out with something that is not saved is asked.
  await page.route("**/jmap/api", (route) => (route.request().postData().includes('"create"') ? route.abort() : route.continue()));
  await text.fill("Inte sparat.");
  await until(page, () => new Promise((resolve) => {
    const open = indexedDB.open(`postiljon-${JSON.parse(document.getElementById("first").textContent).account.id}`);
    open.onsuccess = () => (open.result.transaction("drafts").objectStore("drafts").getAll().onsuccess = (e) => resolve(JSON.stringify(e.target.result).includes("Inte sparat")));
  }));
  await page.getByRole("button", { name: anna.address }).or(page.getByRole("button", { name: /account/i })).first().click();
  await page.getByText("Sign out", { exact: true }).click();
  await page.getByText("1 draft is not saved at the server yet and would be lost").waitFor();
  await page.keyboard.press("Escape");
  await page.unroute("**/jmap/api");
  await eventually(async () => (await where("drafts")).join() === "Kastad: Inte sparat.");

  // What a window noted without a line is done by another one, once that is there again and the first is gone.
  const noted = (window) => until(window, () => new Promise((resolve) => {
    const open = indexedDB.open(`offline-${JSON.parse(document.getElementById("first").textContent).account.id}`);
    open.onsuccess = () => (open.result.transaction("changes").objectStore("changes").getAll().onsuccess = (e) => resolve(e.target.result.length > 0));
  }));
  const kept = (window) => until(window, async () => (await (await caches.open("bodies")).keys()).filter((r) => r.url.includes("/body?")).length >= 3 && !!(await (await caches.open("pages")).match("/mail/")));
  const archive = async (window, subject) => {
    await row(window, subject).hover();
    await row(window, subject).getByRole("button", { name: "Archive", exact: true }).click();
  };
  await page.goto(`${base}/mail/inbox`);
  await row(page, "Brev nummer 1").waitFor();
  await kept(page);
  const second = await page.context().newPage();
  await second.goto(`${base}/mail/inbox`);
  await row(second, "Brev nummer 1").waitFor();
  await page.context().setOffline(true);
  await archive(second, "Brev nummer 1");
  await noted(second);
  await second.close();
  await page.context().setOffline(false);
  await eventually(async () => (await where("archive")).length === 1);

  // Her session ends while she has no line; somebody else signs in, and then she again.
  await page.context().setOffline(true);
  await archive(page, "Brev nummer 2");
  await noted(page);
  await page.goto("about:blank");
  await page.context().setOffline(false);
  await page.context().clearCookies();
  await signIn(page, bo);
  await until(page, async () => localStorage.getItem("postiljon.bodies") === JSON.parse(document.getElementById("first").textContent).account.id && (await indexedDB.databases()).length > 1);
  await page.context().clearCookies();
  await signIn(page, anna);
  await eventually(async () => (await where("archive")).length === 2);
});
