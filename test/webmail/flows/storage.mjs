// Room: what is full is said, the largest message is opened from the list, and what is cleaned up can be undone and goes to the
// trash; what goes from there is said to be gone for good.

import { anna, assert, base, command, deliver, flow, letter } from "../flow.mjs";
import { inMailbox } from "../mail.mjs";

await flow(async ({ person }) => {
  await deliver(anna.address, letter({ subject: "Stor? [Re]: from:bo", text: "x".repeat(70) + "\n" + ("y".repeat(70) + "\n").repeat(3000) }));
  for (const n of [1, 2]) await deliver(anna.address, letter({ subject: `Brev ${n}` }));
  const page = await person(anna);
  await page.goto(`${base}/settings/storage`);
  assert.equal(await page.getByText("Your mailbox is full").count(), 0);
  command("account", "quota", anna.address, "100KB");
  await page.reload();
  await page.getByText("Your mailbox is full. New mail waits at its senders").waitFor();

  // From the list to the message itself, whatever its subject says.
  await page.locator(".largest a").click();
  await page.waitForURL(/\/mail\/F\d+\/T\d+$/);
  await page.getByRole("heading", { name: "Stor? [Re]: from:bo" }).waitFor();
  await page.goBack();

  // Counted, done, undone.
  await clean(page);
  await page.getByText(/^3 messages move to the trash, 2\d\d kB in all\. There is room once/).waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Clean up" }).click();
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByText("Everything is back.").waitFor();
  assert.equal((await inMailbox(page, "inbox")).length, 3);

  // Done; the numbers follow by themselves.
  await clean(page);
  await page.getByRole("dialog").getByRole("button", { name: "Clean up" }).click();
  await page.locator(".setting", { hasText: "Trash" }).getByText("3 messages").waitFor({ timeout: 20_000 });
  await page.locator(".setting", { hasText: "Trash" }).getByRole("button", { name: "Empty" }).click();
  await page.getByText(/^3 messages are deleted for good/).waitFor();
});

async function clean(page) {
  await page.getByLabel("Messages in").selectOption({ label: "Inbox" });
  await page.getByLabel("older than").fill("2099-01-01");
  await page.getByRole("button", { name: "Look how many" }).click();
}
