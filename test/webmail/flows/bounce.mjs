// A message to two people, of whom one is not there, comes back from that one, says why in words, and goes to the right address with two clicks.

import { anna, assert, base, bo, cilla, command, flow, submit } from "../flow.mjs";
import { inMailbox, jmap } from "../mail.mjs";

await flow(async ({ person }) => {
  const page = await person(anna);
  await submit(anna, cilla.address, `From: ${anna.address}\nTo: Cilla <${cilla.address}>\nSubject: Förr\n\nHej!\n`);
  const recents = () => page.evaluate(async () => (await (await fetch("/api/contacts")).json()).recents.map((r) => r.address));
  assert.deepEqual(await recents(), [cilla.address]);
  await page.goto(`${base}/mail/inbox?mailto=${encodeURIComponent(`mailto:${cilla.address},${bo.address}?subject=Kalaset&body=Klockan sju.`)}`);
  await page.getByRole("dialog", { name: "Kalaset" }).waitFor();
  await page.keyboard.press("Control+Enter");
  await page.getByText("Sending to").waitFor();
  command("account", "remove", cilla.address, "--yes");
  await page.goto(`${base}/mail/outbox`);
  await page.locator(".outbox-row").getByRole("button", { name: "More" }).click();
  await page.getByRole("menuitem", { name: "Send now" }).click();

  // The Outbox says so, the folders count it, and the report in the inbox offers the same.
  await page.locator(".outbox-row.bounced").getByText("The other side knows nobody with this address").waitFor();
  await page.getByRole("link", { name: /Outbox/ }).getByText("1").waitFor();
  await page.goto(`${base}/mail/sent`);
  await page.getByRole("row", { name: /Kalaset, Not delivered to .* Delivered to 1 of 2/ }).waitFor();
  await page.goto(`${base}/mail/inbox`);
  await page.getByRole("link", { name: /Not delivered/ }).click();
  await page.getByText(`Not delivered to ${cilla.address}`).waitFor();
  await page.getByRole("button", { name: "Correct and send again" }).click();
  await page.getByLabel("The right address").fill("nobody@example.test");
  await page.getByRole("dialog").getByRole("button", { name: "Correct and send" }).click();
  await page.getByRole("dialog").getByRole("alert").waitFor();
  await page.getByLabel("The right address").fill(anna.address);
  await page.getByRole("dialog").getByRole("button", { name: "Correct and send" }).click();
  await page.getByText(`On its way to ${anna.address} now.`).waitFor();

  const there = await person(bo);
  await there.getByRole("link", { name: /Kalaset/ }).waitFor();
  await page.goto(`${base}/mail/outbox`);
  await page.getByText("Nothing waits").waitFor();

  // Who is not there is not suggested again; the right address is.
  assert.deepEqual((await recents()).sort(), [anna.address, bo.address].sort());

  // The message itself says whom it is for, and is among the sent ones once; who had it keeps that.
  for (const [who, role, to] of [[page, "sent", anna], [page, "inbox", anna], [there, "inbox", cilla]]) {
    const [emails] = await jmap(who, ["Email/get", { ids: await inMailbox(who, role), properties: ["to", "subject"] }]);
    const told = emails.list.filter((e) => e.subject === "Kalaset").map((e) => e.to.map((a) => a.email));
    assert.deepEqual(told, [[to.address, bo.address]], role);
  }

  // What was sent says to whom it came, and where it has been.
  await page.goto(`${base}/mail/sent`);
  await page.getByRole("row", { name: /Kalaset, Delivered to all 2, / }).waitFor();
  await page.getByRole("link", { name: /Kalaset/ }).click();
  await page.locator(".message:not(.folded)").first().waitFor();
  for (const folded = page.locator(".message.folded button"); (await folded.count()) > 0; ) await folded.first().click();
  await page.locator(".delivery summary").getByText("Delivered to all 2").waitFor();
  await page.locator(".delivery summary").click();
  await page.locator(".delivery").getByRole("button", { name: "Where is my mail?" }).click();
  await page.locator(".way li").first().waitFor();
  assert.ok((await page.locator(".way li").count()) >= 2);
});
