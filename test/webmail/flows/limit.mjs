// Whoever sends more than the limit is told until when it is closed; what waits goes when it is open again.

import { anna, assert, base, bo, command, flow } from "../flow.mjs";

await flow(async ({ person }) => {
  command("account", "change", anna.address, "--hourly=2");
  const page = await person(anna, { expect: ["status of 401", "status of 403"] }); // its session ends at last
  const write = async (n) => {
    await page.goto(`${base}/mail/inbox?mailto=${encodeURIComponent(`mailto:${bo.address}?subject=Nummer ${n}&body=hej`)}`);
    await page.getByRole("dialog", { name: `Nummer ${n}` }).waitFor();
    await page.getByRole("textbox", { name: "Text of the message" }).click();
    await page.keyboard.press("Control+Enter");
    await page.getByText("Sending to").waitFor();
    await page.goto(`${base}/mail/outbox`);
    await page.locator(".outbox-row").getByRole("button", { name: "More" }).click();
    await page.getByRole("menuitem", { name: "Send now" }).click();
  };
  for (const n of [1, 2, 3]) {
    await write(n);
    if (n < 3) await page.getByText("Nothing waits").waitFor();
  }
  const paused = page.locator(".outbox-paused");
  await paused.getByText(/Sending is paused until (?:\w+ )?\d\d:\d\d/).waitFor();
  await paused.getByText("2 of 2").waitFor();
  await paused.getByText("The webmail: 2 messages").waitFor(); // so it was not somebody else's program
  assert.doesNotMatch(await paused.textContent(), /UTC/); // the clock is the reader's, in the text of the cause, too
  await page.locator(".outbox-row").getByText(/^Goes /).waitFor();
  assert.equal(await page.locator(".outbox-row").count(), 1);

  // The operator raises the limit: it leaves without anybody doing anything.
  const there = await person(bo);
  command("account", "change", anna.address, "--hourly=3");
  await there.getByRole("link", { name: /Nummer 3/ }).waitFor();
  await page.getByText("Nothing waits").waitFor();
  assert.equal(await paused.count(), 0);

  // Once more, and the operator opens sending.
  await write(4);
  await paused.getByText("3 of 3").waitFor();
  command("limit", "reopen", anna.address);
  await there.getByRole("link", { name: /Nummer 4/ }).waitFor();
  await page.getByText("Nothing waits").waitFor();

  // Sending is locked: the Outbox says why, and what to do.
  command("account", "suspend", anna.address, "--cause=account.blocked-abuse");
  const locked = await person(anna, { expect: ["status of 401", "status of 403"] });
  await locked.goto(`${base}/mail/outbox`);
  await locked.getByRole("heading", { name: "Sending is locked to protect you" }).waitFor();
  await locked.getByRole("link", { name: "Secure the account" }).waitFor();

  // Then nobody is let in any more: who has the mail open is told why, there and where people sign in.
  command("account", "suspend", anna.address, "--cause=account.suspended-unpaid");
  const over = locked.getByRole("alert").filter({ hasText: "an invoice is open" });
  await over.waitFor();
  await over.getByRole("button", { name: "Sign in" }).click();
  await locked.getByRole("heading", { name: "Paused until an invoice is paid" }).waitFor();
});
