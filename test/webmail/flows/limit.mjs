// Whoever sends more than the limit is told until when it is closed; what waits goes when it is open again.

import { anna, assert, base, bo, command, flow } from "../flow.mjs";

await flow(async ({ person }) => {
  command("account", "change", anna.address, "--hourly=2");
  const page = await person(anna);
  for (const n of [1, 2, 3]) {
    await page.goto(`${base}/mail/inbox?mailto=${encodeURIComponent(`mailto:${bo.address}?subject=Nummer ${n}&body=hej`)}`);
    await page.getByRole("dialog", { name: `Nummer ${n}` }).waitFor();
    await page.getByRole("textbox", { name: "Text of the message" }).click();
    await page.keyboard.press("Control+Enter");
    await page.getByText("Sending to").waitFor();
    await page.goto(`${base}/mail/outbox`);
    await page.locator(".outbox-row").getByRole("button", { name: "More" }).click();
    await page.getByRole("menuitem", { name: "Send now" }).click();
    if (n < 3) await page.getByText("Nothing waits").waitFor();
  }
  const paused = page.locator(".outbox-paused");
  await paused.getByText(/Sending is paused until \d\d:\d\d/).waitFor();
  await paused.getByText("2 of 2").waitFor();
  await page.locator(".outbox-row").getByText(/Trying again at/).waitFor();
  assert.equal(await page.locator(".outbox-row").count(), 1);

  command("limit", "reopen", anna.address);
  const there = await person(bo);
  await page.locator(".outbox-row").getByRole("button", { name: "Send now" }).click();
  await there.getByRole("link", { name: /Nummer 3/ }).waitFor();
  await page.getByText("Nothing waits").waitFor();
  assert.equal(await paused.count(), 0);
});
