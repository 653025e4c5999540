// The address book and those who were written to: added, proposed, removed, brought in and taken out.

import { accessible, anna, assert, base, bo, cilla, flow, until } from "../flow.mjs";

await flow(async ({ person }) => {
  const page = await person(anna);
  await page.goto(`${base}/mail/contacts`);
  await page.getByText("The address book is empty").waitFor();
  await page.getByRole("button", { name: "New contact" }).click();
  await page.getByLabel("Name", { exact: true }).fill("Åke Öberg");
  await page.getByLabel("Email addresses, one a line").fill(cilla.address);
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator(".contact").getByText("Åke Öberg").waitFor();
  await accessible(page, "contacts");

  // Cards of another program.
  const chooser = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "More", exact: true }).click();
  await page.getByRole("menuitem", { name: "Import a vCard file" }).click();
  const card = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Britta Berg\r\nEMAIL:britta@elsewhere.test\r\nEND:VCARD\r\n";
  await (await chooser).setFiles({ name: "cards.vcf", mimeType: "text/vcard", buffer: Buffer.from(card) });
  await page.getByText("1 contact added").waitFor();
  const exported = await page.evaluate(async () => (await fetch("/api/contacts/export")).text());
  assert.match(exported, /britta@elsewhere\.test/);
  assert.match(exported, /Åke Öberg/);

  // They are proposed while somebody writes, by any part of the name, and written to by their button.
  await page.getByRole("button", { name: "Write to Åke Öberg" }).click();
  await page.locator(".addressee").getByText("Åke Öberg").waitFor();
  await page.getByRole("combobox", { name: "To" }).pressSequentially("berg");
  await page.locator(".option").getByText("Britta Berg").waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  assert.deepEqual(await page.locator(".addressee-name").allInnerTexts(), ["Åke Öberg", "Britta Berg"]);
  await page.getByRole("button", { name: "Discard the draft" }).click();

  // Who was written to is proposed from then on, until that is not wanted any more.
  await page.goto(`${base}/mail/inbox?mailto=${encodeURIComponent(`mailto:${bo.address}?subject=Hej`)}`);
  await page.getByRole("textbox", { name: "Text of the message" }).fill("Hej!");
  await page.keyboard.press("Control+Enter");
  await page.getByText("Sending to").waitFor();
  await page.goto(`${base}/mail/outbox`);
  await page.locator(".outbox-row").getByRole("button", { name: "More" }).click();
  await page.getByRole("menuitem", { name: "Send now" }).click();
  await page.getByText("Nothing waits").waitFor();
  await page.getByRole("button", { name: "Write" }).click();
  const to = page.getByRole("combobox", { name: "To" });
  await to.pressSequentially(bo.address.slice(0, 4));
  await page.locator(".option").getByText(bo.address).waitFor();
  await accessible(page, "a window to write in");
  await page.getByRole("gridcell", { name: `No longer suggest ${bo.address}` }).click();
  await until(page, (address) => ![...document.querySelectorAll(".option")].some((o) => o.textContent.includes(address)), bo.address);
  await page.goto(`${base}/mail/contacts`);
  await page.getByRole("tab", { name: "Recent" }).click();
  await page.getByText("Those you write to are shown here.").waitFor();
});
