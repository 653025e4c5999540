// A message is written with addressees and a file, taken back, sent, and scheduled; of a draft there is one.

import { anna, assert, base, bo, cilla, flow, sizes, until } from "../flow.mjs";
import { jmap, inMailbox } from "../mail.mjs";

await flow(async ({ person }) => {
  const page = await person(anna);
  await page.getByRole("button", { name: "Write" }).click();
  const window = page.getByRole("dialog", { name: "New message" });
  await window.getByRole("combobox", { name: "To" }).fill(`Bo <${bo.address}>, nobody at all;`);
  await window.getByText("is not an email address").waitFor();
  await page.getByRole("button", { name: "Remove nobody at all" }).click();
  await page.getByRole("textbox", { name: "Subject" }).fill("Rapporten");
  await page.getByRole("textbox", { name: "Text of the message" }).fill("Hej Bo! Rapporten är bifogad.");

  // What is missing is said before it goes.
  await page.keyboard.press("Control+Enter");
  await page.getByText("You write “bifogad”, but no file is attached.").waitFor();
  const chooser = page.waitForEvent("filechooser");
  await page.locator(".hints").getByRole("button", { name: "Attach files" }).click();
  await (await chooser).setFiles({ name: "räksmörgås.txt", mimeType: "text/plain", buffer: Buffer.from("siffror ".repeat(500)) });
  await page.locator(".file.done").waitFor();
  await page.getByText("Saved", { exact: true }).waitFor();
  await page.getByRole("textbox", { name: "Text of the message" }).press("End");
  await page.keyboard.type(" Mer text.");
  await page.getByText("Saving").waitFor();
  await page.getByText("Saved", { exact: true }).waitFor();
  assert.equal((await inMailbox(page, "drafts")).length, 1);

  // Sent, taken back, and as it was.
  await page.keyboard.press("Control+Enter");
  await page.getByText("Sending to Bo").waitFor();
  await page.getByRole("button", { name: /^Undo/ }).click();
  await page.getByText("Nothing was sent").waitFor();
  assert.match(await page.getByRole("textbox", { name: "Text of the message" }).innerText(), /Hej Bo!.*Mer text\./);
  assert.equal((await inMailbox(page, "sent")).length, 0);
  await page.locator(".file.done").waitFor();
  await page.keyboard.press("Control+Enter");
  await page.getByText("Sending to Bo").waitFor();
  assert.deepEqual([(await inMailbox(page, "drafts")).length, (await inMailbox(page, "sent")).length], [0, 1]);

  // It goes at once where somebody does not want to wait.
  await page.goto(`${base}/mail/outbox`);
  await page.locator(".outbox-row").getByRole("button", { name: "More" }).click();
  await page.getByRole("menuitem", { name: "Send now" }).click();
  await page.getByText("Nothing waits").waitFor();
  const there = await person(bo);
  await there.getByRole("link", { name: /Rapporten/ }).click();
  await there.frameLocator("iframe.body").getByText("Rapporten är bifogad. Mer text.").waitFor();
  await there.getByRole("link", { name: /räksmörgås\.txt/ }).first().waitFor();

  // Scheduled: it waits among the outgoing, and can be had back.
  await page.goto(`${base}/mail/inbox?mailto=${encodeURIComponent(`mailto:${cilla.address}?subject=Senare`)}`);
  await page.getByRole("textbox", { name: "Text of the message" }).fill("Ligger till sig.");
  await page.getByRole("button", { name: "Send later" }).click();
  await page.getByRole("menuitem", { name: /Tomorrow morning/ }).click();
  await page.getByText(/Goes on/).waitFor();
  await page.goto(`${base}/mail/outbox`);
  await page.locator(".outbox-row.scheduled").getByText("Senare").waitFor();
  await page.locator(".outbox-row").getByRole("button", { name: "Change or cancel" }).click();
  await page.getByRole("dialog", { name: "Senare" }).waitFor();
  await until(page, async () => document.querySelectorAll(".outbox-row").length === 0);
  assert.equal((await inMailbox(page, "drafts")).length, 1);
  const [draft] = await jmap(page, ["Email/get", { ids: await inMailbox(page, "drafts"), properties: ["keywords", "to"] }]);
  assert.deepEqual([draft.list[0].keywords.$draft, draft.list[0].to[0].email], [true, cilla.address]);

  // On a telephone a blind copy can be added, too, where there is a copy already.
  const phone = await person(anna, { viewport: sizes.phone });
  await phone.goto(`${base}/mail/inbox?mailto=${encodeURIComponent(`mailto:${bo.address}?cc=${cilla.address}`)}`);
  await phone.getByRole("button", { name: "Bcc", exact: true }).click();
  await until(phone, () => document.activeElement.getAttribute("aria-label") === "Bcc");
});
