// The list of the mail page: keys, choosing, putting away and back, folders, searching, a phone.

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { accessible, anna, assert, base, bo, command, deliver, flow, letter, sizes, until } from "../flow.mjs";

/** fill gives an account so many messages, a minute apart; every tenth is read. */
function fill(account, n) {
  let mbox = "";
  for (let i = 0; i < n; i++) {
    const date = new Date(Date.UTC(2026, 0, 1, 0, i)).toUTCString().replace("GMT", "+0000");
    mbox += `From a@b.test Thu Jan  1 00:00:00 2026\nFrom: Person ${i % 9} <p${i % 9}@elsewhere.test>\nTo: ${account.address}\nSubject: Letter ${i}\nMessage-ID: <l${i}@elsewhere.test>\nDate: ${date}\n` +
      `${i % 10 ? "" : "Status: RO\n"}\nThe boat number ${i} leaves at noon.\n\n`;
  }
  const file = join(mkdtempSync(join(tmpdir(), "list-")), "mail.mbox");
  writeFileSync(file, mbox);
  command("import", account.address, file, "--mailbox", "INBOX");
}

const subjects = (page, n = 4) => page.evaluate((n) => [...document.querySelectorAll("#list .row")].sort((a, b) => a.ariaRowIndex - b.ariaRowIndex).slice(0, n).map((r) => r.querySelector(".row-subject")?.textContent), n);
const first = (page, wanted) => until(page, (wanted) => [...document.querySelectorAll("#list .row")].find((r) => r.ariaRowIndex === "1")?.querySelector(".row-subject")?.textContent === wanted, wanted);
const focused = (page) => page.evaluate(() => document.activeElement.querySelector?.(".row-subject")?.textContent ?? document.activeElement.tagName);
const counted = (page, text) => page.locator(".list-total", { hasText: text }).waitFor();

await flow(async ({ person }) => {
  fill(anna, 130);
  const page = await person(anna, { expect: ["row M"] });
  await first(page, "Letter 129");
  assert.match(await page.title(), /^\(117\) Inbox/);
  await accessible(page, "the list");

  // Keys move, choose, put away; the cursor goes on to what comes next, and z brings all back.
  for (const key of ["j", "j", "x", "j", "Shift+X"]) await page.keyboard.press(key);
  await page.getByText("2 chosen").waitFor();
  await accessible(page, "rows that are chosen");
  await page.keyboard.press("e");
  await until(page, () => !document.body.innerText.includes("Letter 128"));
  assert.deepEqual(await subjects(page, 2), ["Letter 129", "Letter 126"]);
  assert.equal(await focused(page), "Letter 126");
  await counted(page, "128 conversations");
  await page.keyboard.press("z");
  await counted(page, "130 conversations");
  assert.deepEqual(await subjects(page, 3), ["Letter 129", "Letter 128", "Letter 127"]);

  // The help names every key that there is.
  await page.keyboard.press("?");
  const named = page.getByRole("dialog", { name: "Keyboard shortcuts" }).locator("dt");
  await named.first().waitFor();
  const keys = await named.allInnerTexts();
  assert.equal(keys.map((k) => k.replace(/\s+/g, "")).join(" "), "j/↓ k/↑ PgDnPgUp HomeEnd o/↵ u/Esc np →← e/y #/Del ! s ⇧I ⇧U v l z x/␣ ⇧X/⇧␣ *a/CtrlA *n *u *r *s c r a f / gi gs gd go ga gj gt ?");
  await page.keyboard.press("Escape");

  // A folder that is not there yet is made where something is moved to.
  await page.keyboard.press("v");
  await page.keyboard.type("Harbour");
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "Harbour" }).waitFor();
  await counted(page, "129 conversations");

  // Rows are dragged onto folders.
  const row = await page.locator("#list .row", { hasText: "Letter 125" }).boundingBox();
  const folder = await page.getByRole("link", { name: "Harbour" }).boundingBox();
  await page.mouse.move(row.x + 150, row.y + 20);
  await page.mouse.down();
  await page.mouse.move(row.x + 100, row.y + 40, { steps: 4 });
  await page.mouse.move(folder.x + 40, folder.y + 10, { steps: 6 });
  await page.mouse.up();
  await counted(page, "128 conversations");
  await page.getByRole("link", { name: "Harbour" }).click();
  await counted(page, "2 conversations");
  await page.goBack();
  await counted(page, "128 conversations");

  // Folders that are hidden come out for what is dragged, and go again.
  await page.setViewportSize({ width: 900, height: 900 });
  await until(page, () => document.elementFromPoint(150, 400).closest("#list .row")); // they slide away
  const another = await page.locator("#list .row", { hasText: "Letter 124" }).boundingBox();
  await page.mouse.move(another.x + 150, another.y + 20);
  await page.mouse.down();
  await page.mouse.move(another.x + 100, another.y + 40, { steps: 4 });
  await page.locator(".folders.open").waitFor();
  await page.keyboard.press("Escape");
  await page.locator(".folders.open").waitFor({ state: "detached" });
  await page.mouse.up();
  await page.setViewportSize(sizes.desktop);
  await counted(page, "128 conversations");

  // The last row is reached at once; what comes meanwhile does not move it, and is told.
  await page.keyboard.press("j");
  await until(page, () => document.activeElement.closest("#list"));
  await page.keyboard.press("End");
  await until(page, () => document.activeElement.querySelector?.(".row-subject")?.textContent === "Letter 0");
  const before = await page.locator("#list .row", { hasText: "Letter 0" }).last().boundingBox();
  await deliver(anna.address, letter({ subject: "Fresh" }));
  await page.getByRole("button", { name: "1 new message" }).waitFor();
  assert.equal((await page.locator("#list .row", { hasText: "Letter 0" }).last().boundingBox()).y, before.y);
  await page.getByRole("button", { name: "1 new message" }).click();
  await first(page, "Fresh");

  // All are chosen, those that were never seen, too; and all come back.
  await page.keyboard.press("*");
  await page.keyboard.press("a");
  await page.getByText("All 129", { exact: true }).waitFor();
  await page.keyboard.press("e");
  await page.getByText("Nothing new. You have seen it all.").waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await counted(page, "129 conversations");

  // Words and operators are searched for while they are typed, in any language.
  await page.keyboard.press("/");
  await page.keyboard.type("från:person boat 99");
  await first(page, "InboxLetter 99");
  await page.getByRole("button", { name: /From: person/ }).click();
  await until(page, () => new URL(location.href).searchParams.get("q") === "boat 99");
  await page.fill("#search", "nothing-like-it");
  await page.getByText("Nothing was found.").waitFor();
  await accessible(page, "a search without results");
  await page.getByRole("button", { name: "Clear the search" }).click();
  await counted(page, "129 conversations");

  // What was searched for of late is offered, until somebody takes it away.
  await page.fill("#search", "boat 98");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Clear the search" }).click();
  const recent = page.getByRole("listbox", { name: "Suggestions" }).getByRole("option", { name: "boat 98" });
  await recent.waitFor();
  await recent.locator(".option-remove").click();
  await recent.waitFor({ state: "detached" });

  // A filter narrows, an order turns, both stand in the address.
  await page.keyboard.press("Escape");
  await page.getByRole("group", { name: "Show only" }).getByRole("button", { name: /Unread/ }).click();
  await until(page, () => location.search === "?f=unread" && !document.querySelector("#list .row:not(.unread)"));
  await page.goBack();

  // Folders are renamed and deleted; what lies inside goes where somebody says.
  await page.goto(page.url().replace(/\/mail\/.*/, "/mail/inbox"));
  await page.getByRole("link", { name: "Harbour" }).click({ button: "right" });
  await page.getByRole("menuitem", { name: "Rename" }).click();
  const called = page.getByRole("textbox", { name: "Name" });
  for (const [name, why] of [["Inbox", /^There is a folder with that name already/], [" ", "Give the folder a name."]]) { // which is asked for again
    await called.fill(name);
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText(why).waitFor();
    assert.equal(await called.getAttribute("aria-invalid"), "true");
    await accessible(page, "a name that a folder cannot have");
  }
  await called.fill("Pier");
  await page.keyboard.press("Enter");
  await page.getByText("The folder is now called “Pier”").waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByRole("link", { name: "Harbour" }).click({ button: "right" });
  await page.getByRole("menuitem", { name: "Rename" }).click();
  await page.getByRole("textbox", { name: "Name" }).fill("Pier");
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "Pier" }).click({ button: "right" });
  await page.getByRole("menuitem", { name: "Delete folder" }).click();
  await accessible(page, "the question before a folder goes");
  await page.getByRole("radio", { name: "Move it to the trash" }).check();
  await page.getByRole("dialog").getByRole("button", { name: "Delete folder" }).click();
  await page.getByText("The folder “Pier” is gone").waitFor();
  await page.getByRole("button", { name: "Undo" }).click(); // with what was in it
  await page.getByRole("link", { name: "Pier" }).click();
  await counted(page, "2 conversations");
  await page.getByRole("link", { name: "Pier" }).click({ button: "right" });
  await page.getByRole("menuitem", { name: "Delete folder" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete folder" }).click();
  await until(page, () => ![...document.querySelectorAll(".folder-name")].some((f) => f.textContent === "Pier") && location.pathname === "/mail/inbox");
  await page.keyboard.press("g");
  await page.keyboard.press("t");
  await counted(page, "2 conversations");
  await page.getByRole("button", { name: "Empty" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete for ever" }).click();
  await page.getByText("The trash is empty.").waitFor();

  // Something that is wrong with one message keeps nobody from the others.
  await page.route("**/jmap/api", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: (await response.text()).replace(/"from":\[[^\]]*Person 3[^\]]*\]/g, '"from":[null]') });
  });
  await page.goto(`${base}/mail/inbox?s=oldest`);
  await page.getByText("This message cannot be shown here.").first().waitFor();
  await page.getByRole("link", { name: /Letter 4 / }).click();
  await page.getByRole("heading", { name: "Letter 4" }).waitFor();
  await page.unrouteAll({ behavior: "ignoreErrors" }); // what comes next is made ready meanwhile
});

await flow(async ({ person }) => {
  fill(bo, 60);
  const page = await person(bo, { viewport: sizes.phone, hasTouch: true, isMobile: true });
  await first(page, "Letter 59");
  await accessible(page, "the list on a phone");
  const client = await page.context().newCDPSession(page);
  const touch = (type, ...points) => client.send("Input.dispatchTouchEvent", { type, touchPoints: points.map(([x, y]) => ({ x, y })) });

  // A swipe archives, and can be taken back.
  const { y } = await page.locator("#list .row").first().boundingBox();
  await touch("touchStart", [60, y + 30]);
  for (let x = 70; x <= 330; x += 20) await touch("touchMove", [x, y + 30]);
  await touch("touchEnd");
  await first(page, "Letter 58");
  await page.getByRole("button", { name: "Undo" }).click();
  await first(page, "Letter 59");

  // One the other way puts it into the trash, also where it begins at the star.
  await touch("touchStart", [370, y + 30]);
  for (let x = 360; x >= 100; x -= 20) await touch("touchMove", [x, y + 30]);
  await touch("touchEnd");
  await page.getByText("1 conversation moved to the trash").waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await first(page, "Letter 59");

  // A long press chooses; going back ends choosing, then closes what is open.
  await touch("touchStart", [100, y + 30]);
  await page.getByText("1 chosen").waitFor();
  await touch("touchEnd");
  await page.goBack();
  await page.getByText("1 chosen").waitFor({ state: "detached" });
  await page.locator("#list .row").first().tap();
  await page.getByRole("heading", { name: "Letter 59" }).waitFor();
  await page.goBack();
  await first(page, "Letter 59");
  await page.getByRole("button", { name: "Folders" }).last().tap();
  await page.locator(".folders.open").waitFor();
  await accessible(page, "the folders on a phone");
  await page.goBack();
  await page.locator(".folders.open").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Folders" }).last().tap();
  await page.getByRole("link", { name: "Archive" }).tap();
  await page.getByText("The archive is empty.").waitFor();
  await page.goBack();
  await first(page, "Letter 59");
});
