// Many rows at once, most of which were never looked at: all but some, a long range; how far it is, ended in the middle, taken back; and
// rows that come back where something was not done.

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { accessible, anna, assert, bo, command, deliver, flow, letter, sizes, until } from "../flow.mjs";
import { imap } from "../imap.mjs";
import { jmap } from "../mail.mjs";

const all = 1400;

function fill(account, n) {
  let mbox = "";
  for (let i = 0; i < n; i++) {
    const date = new Date(Date.UTC(2026, 0, 1, 0, i)).toUTCString().replace("GMT", "+0000");
    mbox += `From a@b.test Thu Jan  1 00:00:00 2026\nFrom: Person <p@elsewhere.test>\nTo: ${account.address}\nSubject: Letter ${i}\nMessage-ID: <l${i}@elsewhere.test>\nDate: ${date}\n\nThe boat leaves.\n\n`;
  }
  const file = join(mkdtempSync(join(tmpdir(), "many-")), "mail.mbox");
  writeFileSync(file, mbox);
  command("import", account.address, file, "--mailbox", "INBOX");
}

const counted = (page, text) => page.locator(".list-total", { hasText: text }).waitFor();
const row = (page, subject) => page.locator("#list .row", { has: page.getByText(subject, { exact: true }) });
const undo = (page) => page.getByRole("button", { name: "Undo" }).click();

/** inRole is how many emails lie in the mailbox with a role. */
async function inRole(page, role) {
  const [boxes] = await jmap(page, ["Mailbox/get", { ids: null }]);
  return boxes.list.find((m) => m.role === role).totalEmails;
}

await flow(async ({ person }) => {
  fill(anna, all);
  const page = await person(anna, { expect: ["jmap/api", "Failed to fetch"] });
  await counted(page, "1,400 conversations");

  // All but two are put away, and come back.
  await page.getByRole("checkbox", { name: "Choose all" }).check();
  for (const one of ["Letter 1398", "Letter 1397"]) await row(page, one).getByRole("checkbox").click();
  await page.getByText("1,398 chosen").waitFor();
  await page.keyboard.press("e");
  await counted(page, "2 conversations");
  await page.getByText("1,398 conversations moved to the archive").waitFor();
  assert.equal(await inRole(page, "archive"), 1398);
  await undo(page);
  await counted(page, "1,400 conversations");
  assert.equal(await inRole(page, "archive"), 0);

  // A range whose middle was never looked at.
  await row(page, "Letter 1397").getByRole("checkbox").click();
  await page.keyboard.press("End");
  await row(page, "Letter 0").getByRole("checkbox").click({ modifiers: ["Shift"] });
  await page.getByText("1,398 chosen").waitFor();
  await page.keyboard.press("Shift+I");
  await page.getByText("1,398 marked as read").waitFor();
  await until(page, () => document.title.startsWith("(2) "));

  // Those that are read, wherever they are in the list.
  await page.keyboard.press("*");
  await page.keyboard.press("r");
  await page.getByText("1,398 chosen").waitFor();
  await page.keyboard.press("*");
  await page.keyboard.press("u");
  await page.getByText("2 chosen", { exact: true }).waitFor();
  await page.keyboard.press("Escape");

  // How far it is can be seen, and it can be ended; what was done until then comes back.
  let stop = false;
  await page.route("**/jmap/api", async (route) => {
    if (route.request().postData().includes("keywords/$flagged")) while (!stop) await new Promise((r) => setTimeout(r, 50));
    await route.continue();
  });
  await page.keyboard.press("Control+a");
  await page.getByText("All 1,400").waitFor();
  await page.getByRole("button", { name: "More", exact: true }).first().click();
  await page.getByRole("menuitem", { name: "Star", exact: true }).click();
  await page.getByRole("progressbar", { name: "Working …" }).waitFor();
  await page.getByText("0 of 1,400").waitFor();
  await accessible(page, "while many rows are changed");
  await page.getByRole("button", { name: "Stop" }).click();
  stop = true;
  await page.getByText("250 starred").waitFor();
  await page.unrouteAll({ behavior: "wait" });
  await undo(page);
  await until(page, () => !document.querySelector(".toast"));
  const mail = await imap(anna);
  await mail("SELECT INBOX");
  assert.match((await mail("SEARCH FLAGGED")).join(), /SEARCH *$/);

  // What was not done is where it was before.
  await page.keyboard.press("Escape");
  await page.keyboard.press("Home");
  await page.route("**/jmap/api", (route) => (route.request().postData().includes("Email/set") ? route.abort() : route.continue()));
  await row(page, "Letter 1398").focus();
  await page.keyboard.press("e");
  await page.getByText("That did not work").waitFor();
  await row(page, "Letter 1398").waitFor();
  await counted(page, "1,400 conversations");
  assert.equal(await row(page, "Letter 1398").getAttribute("aria-rowindex"), "2");
  await page.unrouteAll({ behavior: "wait" });

  // Emptying the trash leaves what lies elsewhere, too.
  await mail("COPY 1:2 Trash");
  await mail("COPY 1 Archive");
  await mail('UID STORE 1 +FLAGS (\\Deleted)');
  await mail("EXPUNGE");
  await mail('UID STORE 2 +FLAGS (\\Deleted)');
  await mail("EXPUNGE");
  await page.getByRole("link", { name: "Contacts" }).click();
  await page.getByRole("link", { name: "Trash" }).click({ button: "right" });
  await page.getByRole("menuitem", { name: "Empty" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete for ever" }).click();
  await page.getByText("2 deleted for ever").waitFor();
  assert.deepEqual([await inRole(page, "trash"), await inRole(page, "archive")], [0, 1]);
  mail.close();
});

await flow(async ({ person }) => {
  // A row that is chosen stays so when its conversation goes on.
  const [id, subject] = [`<${crypto.randomUUID()}@elsewhere.test>`, "The harbour"];
  await deliver(bo.address, letter({ to: bo.address, subject }).replace(/Message-ID: .*/, `Message-ID: ${id}`));
  await deliver(bo.address, letter({ to: bo.address, subject: "Another" }));
  const page = await person(bo, { viewport: sizes.phone });
  await row(page, subject).focus();
  await page.keyboard.press("x");
  await page.getByText("1 chosen").waitFor();
  await deliver(bo.address, letter({ to: bo.address, subject: `Re: ${subject}`, headers: `In-Reply-To: ${id}\r\nReferences: ${id}\r\n` }));
  await page.locator("#list .row.selected.cursor", { hasText: `Re: ${subject}` }).waitFor();
  await page.getByText("1 chosen").waitFor();

  // One that went elsewhere is no longer chosen.
  const mail = await imap(bo);
  await mail("SELECT INBOX");
  await mail("MOVE 1,3 Archive");
  await page.getByText("1 chosen").waitFor({ state: "detached" });
  await counted(page, "1 conversation");
  mail.close();
});
