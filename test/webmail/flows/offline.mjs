// What was kept can be read without a line: after a reload, what was never opened, pictures and files, and what others share;
// it can be searched. What is done meanwhile is done at the server once the line is back, but where another program was there first.

import { anna, assert, base, bo, deliver, flow, letter, signIn, until } from "../flow.mjs";
import { imap } from "../imap.mjs";
import { jmap } from "../mail.mjs";

const picture = "iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAIAAAACUFjqAAAAEklEQVR4nGNkYPjPgBcwjVRpABOcARXcyWkgAAAAAElFTkSuQmCC";

/** withFiles is a message with a picture in its text and a file. */
const withFiles = `From: Greta <greta@elsewhere.test>\r\nTo: ${anna.address}\r\nSubject: Bilder\r\nMessage-ID: <bilder@elsewhere.test>\r\nMIME-Version: 1.0\r\n` +
  `Content-Type: multipart/mixed; boundary=ytter\r\n\r\n--ytter\r\nContent-Type: multipart/related; boundary=inner\r\n\r\n` +
  `--inner\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Här är solnedgången: <img src="cid:sol@elsewhere.test" width="10" height="10"></p>\r\n` +
  `--inner\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <sol@elsewhere.test>\r\nContent-Disposition: inline; filename=sol.png\r\n\r\n${picture}\r\n--inner--\r\n` +
  `--ytter\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: attachment; filename*=utf-8''F%C3%A4rdplan.txt\r\n\r\nVi seglar norrut.\r\n--ytter--\r\n`;

const row = (page, subject) => page.locator("#list .row", { hasText: subject });
const gone = (page, subject) => row(page, subject).waitFor({ state: "detached" });
const texts = (page) => page.evaluate(async () => (await (await caches.open("bodies")).keys()).filter((r) => r.url.includes("/body?")).length);

await flow(async ({ person }) => {
  const his = await imap(bo);
  await his("CREATE Ihop");
  await his(`SETACL Ihop ${anna.address} lrswite`);
  const shared = letter({ to: bo.address, subject: "Delat brev", text: "Det som Bo delar." });
  await his(`APPEND Ihop {${Buffer.byteLength(shared)}+}\r\n${shared}`);
  his.close();
  const mail = await imap(anna);
  await mail(`SUBSCRIBE "Other Users/${bo.address.split("@")[0]}/Ihop"`);
  for (const n of [1, 2, 3, 4, 5]) await deliver(anna.address, letter({ subject: `Brev nummer ${n}`, text: `Texten i brev ${n}. ${n === 4 ? "Här står ordet kantarell." : ""}` }));
  await deliver(anna.address, withFiles);
  const page = await person(anna, { expect: ["ERR_INTERNET_DISCONNECTED", "ERR_FAILED", "Failed to fetch", "net::ERR"] });
  await row(page, "Brev nummer 3").waitFor();
  await until(page, async () => (await (await caches.open("bodies")).keys()).filter((r) => /\/body\?|\/part\//.test(r.url)).length === 9 && !!(await (await caches.open("pages")).match("/mail/")));
  assert.equal(await texts(page), 7);

  await page.context().setOffline(true);
  await page.reload();
  await row(page, "Brev nummer 2").click();
  await page.getByRole("heading", { name: "Brev nummer 2" }).waitFor();
  await page.frameLocator("iframe.body").getByText("Texten i brev 2.").waitFor();
  await page.getByText("No connection right now").waitFor();

  // A picture in the text, and a file.
  await row(page, "Bilder").click();
  await page.frameLocator("iframe.body").getByText("solnedgången").waitFor();
  await until(page, () => document.querySelector("iframe.body").contentDocument.images[0]?.naturalWidth === 10);
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Download Färdplan.txt" }).click()]);
  assert.equal(file.suggestedFilename(), "Färdplan.txt");
  assert.equal(await file.failure(), null);

  // A word that stands in a text alone; what another shares; an address within the program.
  await page.getByRole("combobox").first().fill("kantarell");
  await page.keyboard.press("Enter");
  await gone(page, "Brev nummer 5");
  await row(page, "Brev nummer 4").waitFor();
  assert.equal(await page.locator("#list .row").count(), 1);
  await page.goto(`${base}/mail/archive`);
  await page.getByRole("heading", { name: "Archive" }).waitFor();
  await page.getByRole("link", { name: "Ihop" }).click();
  await row(page, "Delat brev").click();
  await page.frameLocator("iframe.body").getByText("Det som Bo delar.").waitFor();

  // An answer is written, with what it answers, and waits.
  await page.goto(`${base}/mail/inbox`);
  await row(page, "Brev nummer 2").click();
  await page.getByRole("button", { name: "Reply", exact: true }).click();
  await page.getByRole("textbox", { name: "Text of the message" }).pressSequentially("Tack!", { timeout: 45_000 });
  await until(page, async () => {
    const { id } = JSON.parse(document.getElementById("first").textContent).account;
    const database = await new Promise((done) => (indexedDB.open(`postiljon-${id}`).onsuccess = (e) => done(e.target.result)));
    const drafts = await new Promise((done) => (database.transaction("drafts").objectStore("drafts").getAll().onsuccess = (e) => done(e.target.result)));
    return JSON.stringify(drafts).includes("Texten i brev 2.");
  });
  await page.keyboard.press("Control+Enter");
  await page.getByText("This goes by itself as soon as it can").waitFor();

  // Archived, starred, thrown away and taken back; it stays so after a reload.
  await page.goto(`${base}/mail/inbox`);
  const act = async (subject, button) => {
    await row(page, subject).hover();
    await row(page, subject).getByRole("button", { name: button, exact: true }).click();
  };
  await act("Brev nummer 1", "Archive");
  await act("Brev nummer 3", "Archive");
  await act("Brev nummer 4", "Star");
  await act("Brev nummer 5", "Archive");
  await gone(page, "Brev nummer 5");
  await page.keyboard.press("z");
  await row(page, "Brev nummer 5").waitFor();
  await page.reload();
  await row(page, "Brev nummer 5").waitFor();
  await gone(page, "Brev nummer 1");
  await page.getByText(/changes will be made when it is back/).waitFor();
  await page.getByRole("link", { name: "Archive" }).first().click();
  await row(page, "Brev nummer 1").waitFor();

  // Another program moves one of them meanwhile, and something new comes.
  await mail("CREATE Resor");
  await mail("SELECT INBOX");
  const uid = /(\d+)$/.exec((await mail('UID SEARCH SUBJECT "Brev nummer 3"')).find((l) => l.startsWith("* SEARCH")))[1];
  await mail(`UID MOVE ${uid} Resor`);
  await deliver(anna.address, letter({ subject: "Medan linjen var nere" }));
  await page.context().setOffline(false);
  await page.getByText("1 message had been moved by another program").waitFor();
  await page.getByText("“Re: Brev nummer 2” has been sent.").waitFor();
  await page.getByRole("link", { name: "Inbox" }).first().click();
  await row(page, "Medan linjen var nere").waitFor();
  assert.equal(await page.getByText("No connection right now").count(), 0);
  const [{ list: boxes }] = await jmap(page, ["Mailbox/get", { ids: null }]);
  const where = async (subject) => {
    const [{ ids }] = await jmap(page, ["Email/query", { filter: { subject } }]);
    const [{ list }] = await jmap(page, ["Email/get", { ids, properties: ["mailboxIds", "keywords"] }]);
    return [Object.keys(list[0].mailboxIds).map((id) => boxes.find((b) => b.id === id).name).join(), Object.keys(list[0].keywords).sort().join()];
  };
  assert.deepEqual(await where('"Brev nummer 1"'), ["Archive", ""]);
  assert.deepEqual(await where('"Brev nummer 3"'), ["Resor", ""]);
  assert.deepEqual(await where('"Brev nummer 4"'), ["INBOX", "$flagged"]);
  assert.deepEqual(await where('"Brev nummer 5"'), ["INBOX", ""]);
  await until(page, () => !document.querySelector(".line-down"));
  mail.close();

  // The self-check tells how much is kept.
  await until(page, async () => (await (await caches.open("bodies")).keys()).filter((r) => r.url.includes("/body?")).length >= 8);
  await page.goto(`${base}/settings/check`);
  await page.getByText(/Your newest messages are kept in this browser|texts are kept so far/).waitFor();

  // Where data is to be saved, what is opened is kept alone.
  const saver = await person(bo, { signIn: false });
  await saver.addInitScript(() => Object.defineProperty(Navigator.prototype, "connection", { value: { saveData: true } }));
  await signIn(saver, bo);
  await deliver(bo.address, letter({ to: bo.address, subject: "Till Bo", text: "Hej Bo." }));
  await row(saver, "Till Bo").click();
  await saver.frameLocator("iframe.body").getByText("Hej Bo.").waitFor();
  await saver.goto(`${base}/settings/check`);
  for (let i = 0; i < 20 && !(await saver.getByText("This device saves data").isVisible()); i++) { // it keeps heads first
    await saver.getByRole("button", { name: "Check again" }).click();
    await saver.waitForTimeout(700);
  }
  await saver.getByText("This device saves data").waitFor();
  assert((await texts(saver)) <= 1);
});
