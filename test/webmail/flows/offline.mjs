// What was kept can be read without a line: after a reload, and what was never opened, too; the line's return brings what is new.

import { anna, assert, base, deliver, flow, letter, until } from "../flow.mjs";

await flow(async ({ person }) => {
  for (const n of [1, 2, 3]) await deliver(anna.address, letter({ subject: `Brev nummer ${n}`, text: `Texten i brev ${n}.` }));
  const page = await person(anna, { expect: ["ERR_INTERNET_DISCONNECTED", "ERR_FAILED", "Failed to fetch"] });
  await page.getByRole("link", { name: /Brev nummer 3/ }).waitFor();
  await until(page, async () => (await (await caches.open("bodies")).keys()).length === 3 && !!(await (await caches.open("pages")).match("/mail/")));

  await page.context().setOffline(true);
  await page.reload();
  await page.getByRole("link", { name: /Brev nummer 2/ }).click();
  await page.getByRole("heading", { name: "Brev nummer 2" }).waitFor();
  await page.frameLocator("iframe.body").getByText("Texten i brev 2.").waitFor();
  await page.getByText("No connection right now").waitFor();
  // Addresses within the program open, too.
  await page.goto(`${base}/mail/archive`);
  await page.getByRole("heading", { name: "Archive" }).waitFor();
  await page.goto(`${base}/mail/inbox`);

  await deliver(anna.address, letter({ subject: "Medan linjen var nere" }));
  await page.context().setOffline(false);
  await page.getByRole("link", { name: /Medan linjen var nere/ }).waitFor();
  assert.equal(await page.getByText("No connection right now").count(), 0);
});
