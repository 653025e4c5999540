// A folder is shared in the settings; the other sees it at once, reads, marks, moves and copies as far as he may, sees mail that comes
// there, and sees it go again. Both see the same.

import { anna, assert, base, bo, flow, letter } from "../flow.mjs";
import { imap } from "../imap.mjs";

const row = (page, subject) => page.locator("#list .row", { hasText: subject });
const shot = (page, name) => process.env.POSTILJON_SHOTS && page.screenshot({ path: `${process.env.POSTILJON_SHOTS}/sharing-${name}.png` });

await flow(async ({ person }) => {
  const mail = await imap(anna);
  const append = async (folder, subject, more = {}) => {
    const text = letter({ subject, ...more }).replace(/\r?\n/g, "\r\n");
    await mail(`APPEND "${folder}" {${Buffer.byteLength(text)}+}\r\n${text}`);
  };
  await mail("CREATE Projekt");
  await mail("CREATE Hemligt");
  for (const n of [1, 2, 3, 4]) await append("Projekt", `Ritning ${n}`, { text: `Så här ser ritning ${n} ut.` });
  await append("Hemligt", "Ritning för mig själv");
  const owner = await person(anna, { expect: ["status of 404", "status of 422"] });
  const guest = await person(bo, { expect: ["status of 404"] });
  await row(guest, "Ritning").waitFor({ state: "detached" });

  // Shared by the settings; the window that is open shows it without being asked to.
  await owner.goto(`${base}/settings/sharing`);
  const share = async (level) => {
    await owner.locator("form select").selectOption({ label: "Projekt" });
    await owner.getByLabel("Share with").fill("nobody");
    await owner.getByRole("radio", { name: level }).check();
    await owner.getByRole("button", { name: "Share", exact: true }).click();
    await owner.getByRole("alert").filter({ hasText: "no such address" }).waitFor();
    await owner.getByLabel("Share with").fill(bo.address);
    await owner.getByRole("button", { name: "Share", exact: true }).click();
  };
  await share("Read and change");
  await owner.getByRole("heading", { name: "Projekt" }).waitFor();
  await shot(owner, "settings");
  const folder = guest.locator(".folder", { hasText: "Projekt" });
  await folder.waitFor();
  await folder.locator(".count", { hasText: "4" }).waitFor();
  await guest.getByRole("heading", { name: `Shared by ${anna.address.split("@")[0]}` }).waitFor();

  // Read there, it is read for its owner, too.
  await folder.getByRole("link").click();
  await row(guest, "Ritning 2").waitFor();
  assert.equal(await guest.locator("#list .row").count(), 4);
  await row(guest, "Ritning 2").getByRole("link").click();
  await guest.frameLocator("iframe.body").getByText("ritning 2 ut").waitFor();
  await shot(guest, "reading");
  await folder.locator(".count", { hasText: "3" }).waitFor();
  await owner.goto(`${base}/mail/inbox`);
  await owner.locator(".folder", { hasText: "Projekt" }).getByRole("link").click();
  await owner.locator("#list .row:not(.unread)", { hasText: "Ritning 2" }).waitFor();

  // A file in it goes along where it is forwarded, and what is not shared cannot be had by its address.
  const id = await guest.evaluate(() => /\/m\/(M\d+-\d+)\//.exec(document.querySelector("iframe.body").src)[1]);
  for (const what of ["raw", "about", "headers"]) {
    assert.equal(await guest.evaluate((u) => fetch(u).then((r) => r.status), `/m/${id}/${what}`), 200);
    const other = id.replace(/\d+$/, (n) => String(Number(n) + 3)); // what lies in Hemligt
    assert.equal(await guest.evaluate((u) => fetch(u).then((r) => r.status), `/m/${other}/${what}`), 404);
  }
  const mixed = letter({ subject: "Ritning med bilaga", text: "--x\nContent-Type: text/plain\n\nSe bilagan.\n--x\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=ritning.pdf\n\n%PDF-1.4 en ritning\n--x--" })
    .replace("text/plain; charset=utf-8", "multipart/mixed; boundary=x").replace(/\r?\n/g, "\r\n");
  await mail(`APPEND Projekt {${Buffer.byteLength(mixed)}+}\r\n${mixed}`);
  await row(guest, "med bilaga").getByRole("link").click();
  await guest.locator(".attachment", { hasText: "ritning.pdf" }).waitFor();
  await mail("SELECT INBOX");
  const arrived = async (search) => {
    for (let tries = 0; ; tries++) {
      await mail("NOOP");
      const found = (await mail(`UID SEARCH ${search}`)).join(" ");
      if (/SEARCH \d|ALL \d/.test(found)) return;
      assert.ok(tries < 100, found);
      await new Promise((r) => setTimeout(r, 300));
    }
  };
  const sendOn = async (file) => {
    await guest.locator("[contenteditable=true]").waitFor();
    await guest.getByRole("combobox", { name: "To" }).fill(`${anna.address},`);
    await guest.getByText(file).last().waitFor();
    await guest.getByRole("button", { name: "Send", exact: true }).click();
    await guest.locator("[contenteditable=true]").waitFor({ state: "detached" });
  };
  await guest.getByRole("button", { name: "Forward" }).click();
  await sendOn("ritning.pdf");
  await arrived(`SUBJECT "Fwd: Ritning med bilaga" BODY "ritning.pdf"`);
  await guest.locator(".message header").getByRole("button", { name: "More" }).click();
  await guest.getByRole("menuitem", { name: "Forward as attachment" }).click();
  await sendOn("Ritning med bilaga.eml");
  await arrived(`SUBJECT "Fwd: Ritning med bilaga" BODY "bilaga.eml"`);
  await mail("SELECT Projekt");
  await mail(`UID STORE ${/(\d+)$/.exec((await mail(`UID SEARCH SUBJECT "med bilaga"`)).find((l) => l.startsWith("* SEARCH")))[1]} +FLAGS.SILENT (\\Deleted)`);
  await mail("EXPUNGE");
  await mail("UNSELECT");
  await row(guest, "med bilaga").waitFor({ state: "detached" });

  // Starred by one, seen by the other, both ways; mail that comes is there at once.
  await row(guest, "Ritning 3").locator(".row-star").click();
  await row(owner, "Ritning 3").locator(".row-star[aria-pressed=true]").waitFor();
  await row(owner, "Ritning 3").locator(".row-star").click();
  await row(guest, "Ritning 3").locator(".row-star[aria-pressed=false]").waitFor();
  await append("Projekt", "Ritning 5");
  await row(guest, "Ritning 5").waitFor();
  await row(owner, "Ritning 5").waitFor();

  // What is searched for there is found there, and nothing that is not shared.
  await guest.goto(guest.url().replace(/\/T.*$/, ""));
  await row(guest, "Ritning 5").waitFor();
  await guest.fill("#search", "ritning");
  await guest.keyboard.press("Enter");
  await guest.locator("#list .row").nth(4).waitFor();
  assert.equal(await guest.locator("#list .row").count(), 5);
  assert.equal(await row(guest, "själv").count(), 0);
  await guest.goBack();
  await row(guest, "Ritning 4").waitFor();

  // Moved to one's own inbox, taken back, and moved again; copied the other way by hand.
  const move = async (page, subject, to) => {
    await row(page, subject).click({ button: "right" });
    await page.getByRole("menuitem", { name: "Move to" }).click();
    await page.getByRole("combobox", { name: "Move to" }).fill(to);
    await page.keyboard.press("Enter");
  };
  await move(guest, "Ritning 4", "Inbox");
  await row(guest, "Ritning 4").waitFor({ state: "detached" });
  await row(owner, "Ritning 4").waitFor({ state: "detached" });
  await guest.getByRole("button", { name: "Undo" }).click();
  await row(owner, "Ritning 4").waitFor();
  await row(guest, "Ritning 4").waitFor();
  await move(guest, "Ritning 4", "Inbox");
  await row(owner, "Ritning 4").waitFor({ state: "detached" });
  await guest.goto(`${base}/mail/inbox`);
  await row(guest, "Ritning 4").waitFor();
  const from = await row(guest, "Ritning 4").boundingBox();
  const to = await folder.boundingBox();
  await guest.mouse.move(from.x + 120, from.y + 20);
  await guest.mouse.down();
  await guest.mouse.move(to.x + 40, to.y + 10, { steps: 8 });
  await guest.mouse.up();
  await row(guest, "Ritning 4").waitFor({ state: "detached" });
  await row(owner, "Ritning 4").waitFor();

  // Deleted there it is gone for all, once that was said.
  await folder.getByRole("link").click();
  await row(guest, "Ritning 1").click({ button: "right" });
  await guest.getByRole("menuitem", { name: "Delete for ever" }).click();
  await guest.getByText("for everybody who shares this folder").waitFor();
  await guest.getByRole("dialog").getByRole("button", { name: "Delete for ever" }).click();
  await row(owner, "Ritning 1").waitFor({ state: "detached" });

  // Rights to read alone: what is not allowed is not offered, and said where a key asks for it.
  await mail(`SETACL Projekt ${bo.address} lr`);
  await guest.waitForFunction(() => !document.querySelector("#list .row-star"));
  await append("Projekt", "Ritning 6");
  await row(guest, "Ritning 6").getByRole("link").click();
  await guest.frameLocator("iframe.body").getByText("Hello there").waitFor();
  await row(owner, "Ritning 6").waitFor();
  await guest.keyboard.press("s");
  await guest.getByText("You may not do that in this shared folder").first().waitFor();
  assert.equal(await guest.getByRole("toolbar", { name: "conversation" }).getByRole("button", { name: /Delete|trash|Archive|Junk/i }).count(), 0);
  await owner.waitForTimeout(300);
  assert.equal(await owner.locator("#list .row.unread", { hasText: "Ritning 6" }).count(), 1, "who may not mark it leaves no trace");
  await shot(guest, "readonly");

  // Taken out of one's own list, and back.
  await folder.getByRole("link").click({ button: "right" });
  await guest.getByRole("menuitem", { name: "Remove from my list" }).click();
  await folder.waitFor({ state: "detached" });
  await guest.goto(`${base}/settings/sharing`);
  await guest.getByRole("switch", { name: "Projekt" }).waitFor();
  await shot(guest, "with-me");
  await guest.getByRole("switch", { name: "Projekt" }).check();
  await guest.goto(`${base}/mail/inbox`);
  await folder.getByRole("link").click();
  await row(guest, "Ritning 5").waitFor();

  // Not shared any more: it goes while it is looked at, and read, and while the settings are open.
  await row(guest, "Ritning 5").getByRole("link").click();
  await guest.frameLocator("iframe.body").getByText("Hello there").waitFor();
  const settings = await guest.context().newPage();
  await settings.goto(`${base}/settings/sharing`);
  await settings.getByRole("switch", { name: "Projekt" }).waitFor();
  await owner.goto(`${base}/settings/sharing`);
  await owner.getByRole("button", { name: /^Stop sharing “Projekt”/ }).click();
  await owner.getByRole("dialog").getByRole("button", { name: "Stop sharing" }).click();
  await owner.getByText("You share no folder yet").waitFor();
  await folder.waitFor({ state: "detached" });
  await row(guest, "Ritning 5").waitFor({ state: "detached" });
  await guest.getByText("no longer shared with you").waitFor();
  await settings.getByText("Nobody shares a folder with you yet").waitFor();
  await guest.reload();
  await guest.getByText("no longer shared with you").waitFor();
  mail.close();
});
