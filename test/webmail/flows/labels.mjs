// Labels are the account's, in every browser and for mail programs; marks can be taken back; a message goes on as a file, or is
// written anew; a draft is gone on with where its conversation is read.

import { accessible, anna, assert, base, bo, deliver, flow, letter, until } from "../flow.mjs";
import { imap } from "../imap.mjs";

await flow(async ({ person }) => {
  const news = `<html><head><style>.top { background: #24506b; color: #ffffff } #lead { font-style: italic }</style></head><body><h1 class="top">Nyheter</h1><p id="lead">Kära läsare</p></body></html>`;
  await deliver(anna.address, letter({ subject: "Hyran", text: "Räkningen kommer här." }));
  await deliver(anna.address, letter({ subject: "Nyhetsbrev" }).replace("text/plain", "text/html").replace("Hello there.", news));
  const page = await person(anna);
  const row = (subject, p = page) => p.locator("#list .row", { hasText: subject });
  await row("Nyhetsbrev").waitFor();

  // A star, and its end.
  await row("Hyran").getByRole("button", { name: "Star" }).click();
  await page.getByText("1 starred").waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await row("Hyran").locator(".row-star[aria-pressed=false]").waitFor();

  // A label that is made where it is given; its keyword is one that mail programs can have.
  await row("Hyran").focus();
  await page.keyboard.press("l");
  await page.keyboard.type("Räkningar");
  await page.keyboard.press("Enter");
  await row("Hyran").locator(".label", { hasText: "Räkningar" }).waitFor();
  const mail = await imap(anna);
  await mail("SELECT INBOX");
  assert.match((await mail("SEARCH KEYWORD rakningar")).join(), /SEARCH \d/);

  // Another browser knows it, where it is called otherwise and gets a colour.
  const other = await person(anna);
  await row("Hyran", other).locator(".label", { hasText: "Räkningar" }).waitFor();
  await row("Hyran", other).focus();
  await other.keyboard.press("l");
  await other.getByText("Manage labels …").click();
  await other.getByRole("textbox", { name: "Name of the label" }).last().waitFor();
  await accessible(other, "the labels");
  await other.getByRole("textbox", { name: "Name of the label" }).last().fill("Hemma");
  await other.keyboard.press("Enter");
  await row("Hyran", other).locator(".label", { hasText: "Hemma" }).waitFor({ state: "attached" });
  await other.getByRole("button", { name: "Colour of “Hemma”" }).click();
  await other.getByRole("menuitemradio", { name: "Teal" }).click();
  await row("Hyran", other).locator(".label[style*='12969e']").waitFor({ state: "attached" });
  await page.reload();
  await row("Hyran").locator(".label[style*='12969e']", { hasText: "Hemma" }).waitFor();
  await page.goto(`${base}/mail/inbox?q=${encodeURIComponent("label:hemma")}`);
  await page.locator(".list-total", { hasText: "1 message" }).waitFor();

  // It is removed from all mail, and comes back.
  await other.getByRole("button", { name: "Remove “Hemma”" }).click();
  await other.getByText("1 message has it. No message is deleted.").waitFor();
  await other.getByRole("button", { name: "Remove the label" }).click();
  await row("Hyran", other).locator(".label").waitFor({ state: "detached" });
  await other.getByRole("dialog", { name: "Labels" }).getByRole("button", { name: "Close" }).click();
  await other.getByRole("button", { name: "Undo" }).click();
  await row("Hyran", other).locator(".label[style*='12969e']").waitFor();
  await other.context().close();

  // A message goes on as a file.
  await page.goto(`${base}/mail/inbox`);
  await row("Nyhetsbrev").getByRole("link").first().click();
  await page.locator(".body-box.there").waitFor();
  const choose = async (name) => {
    await page.locator("article.message").first().getByRole("button", { name: "More" }).click();
    await page.getByRole("menuitem", { name }).click();
    await page.locator(".compose").waitFor();
  };
  await choose("Forward as attachment");
  const compose = page.locator(".compose");
  await compose.getByText("Nyhetsbrev.eml").waitFor();
  // Nothing was written, so nothing is kept.
  await page.waitForTimeout(400);
  assert.equal(await compose.locator(".saved").count(), 0);
  await compose.getByRole("combobox", { name: "To" }).fill(bo.address);
  await page.keyboard.press("Tab");
  await compose.getByRole("button", { name: "Send", exact: true }).click();
  await compose.waitFor({ state: "detached" });
  await mail("SELECT Sent");
  const bodies = async () => (await mail("UID FETCH 1:* BODYSTRUCTURE").catch(() => [])).join().toLowerCase();
  for (let n = 0; n < 100 && !(await bodies()); n++) await new Promise((r) => setTimeout(r, 200));
  assert.match(await bodies(), /"message" "rfc822"/);

  // Written anew, it looks as it did.
  await choose("Edit as new");
  assert.equal(await compose.getByRole("textbox", { name: "Subject" }).inputValue(), "Nyhetsbrev");
  assert.equal(await compose.locator(".editor h1").evaluate((e) => getComputedStyle(e).backgroundColor), "rgb(36, 80, 107)");
  assert.equal(await compose.locator(".editor p").evaluate((e) => getComputedStyle(e).fontStyle), "italic");
  await page.keyboard.press("Escape");
  await compose.waitFor({ state: "detached" });

  // A draft within a conversation.
  await page.getByRole("button", { name: "Reply", exact: true }).last().click();
  await compose.locator(".editor").click();
  await page.keyboard.type("Tack!");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Continue writing" }).waitFor();
  await page.getByRole("button", { name: "Discard the draft" }).click();
  await page.getByText("The draft is in the trash").waitFor();
  await until(page, () => !document.querySelector(".conversation").innerText.includes("Continue writing"));
  mail.close();
});
