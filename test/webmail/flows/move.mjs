// Mail moves: out as one file, in either form, back in from it, and over from an account at another provider, with how far it is.

import { readFileSync } from "node:fs";
import { anna, assert, base, bo, deliver, flow, letter } from "../flow.mjs";
import { inMailbox, jmap } from "../mail.mjs";

await flow(async ({ person }) => {
  for (const n of [1, 2, 3]) await deliver(anna.address, letter({ subject: `Brev ${n} om räksmörgås` }));
  const page = await person(anna);
  await page.goto(`${base}/settings/storage`);

  // Out, as mbox and as Maildir in a zip.
  const zip = await download(page, /Maildir/);
  assert.ok(zip.toString("latin1").match(/(cur|new)\/[^/]+/g).length >= 3);
  await page.getByLabel("Which folders").selectOption({ label: "Inbox" });
  const mbox = await download(page, /mbox/);
  assert.equal(mbox.toString("latin1").match(/^From /gm).length, 3);

  // In, at somebody else's; what is there already stays single.
  const there = await person(bo);
  await there.goto(`${base}/settings/storage`);
  await bring(there, "mail.zip", zip);
  await there.locator(".job", { hasText: "mail.zip" }).getByText(/^Done · 3 taken/).waitFor();
  await bring(there, "again.zip", zip);
  await there.locator(".job", { hasText: "again.zip" }).getByText(/^Done · 0 taken, 3 were here already/).waitFor();
  await bring(there, "Gammalt.mbox", mbox); // one file is one folder
  await there.locator(".job", { hasText: "Gammalt.mbox" }).getByText(/^Done · 3 taken/).waitFor();
  assert.deepEqual(await subjects(there), ["Brev 1 om räksmörgås", "Brev 2 om räksmörgås", "Brev 3 om räksmörgås"]);

  // A file that goes up can be stopped, and nothing of it stays; what ended is listed until one has seen it.
  await there.route("**/files/*", (r) => (r.request().method() === "PATCH" ? undefined : r.continue())); // a line that does not get on
  await bring(there, "slow.mbox", mbox);
  await there.getByText("slow.mbox: 0 % sent").waitFor();
  await there.getByRole("button", { name: "Cancel" }).click();
  await there.getByText("Choose a file").waitFor();
  await there.waitForFunction(async () => (await (await fetch("/api/files")).json()).files.length === 0);
  await there.unroute("**/files/*");
  await bring(there, "half.zip", zip.subarray(0, zip.length - 60));
  const half = there.locator(".job", { hasText: "half.zip" });
  await half.getByText("The file is damaged").first().waitFor();
  await half.getByRole("button", { name: "Remove from the list" }).click();
  await half.waitFor({ state: "detached" });

  // Over from another provider, whose settings are found by the address. A wrong password is said so.
  await page.getByRole("button", { name: "Begin …" }).click();
  await page.getByLabel("Your address there").fill("vera@far.test");
  await page.getByRole("button", { name: "Go on" }).click();
  await page.locator(".bring").getByLabel("Server").waitFor();
  assert.equal(await page.locator(".bring").getByLabel("Server").inputValue(), "mail.far.test");
  await page.getByLabel("Your password there").fill("not-that-one");
  await page.getByRole("button", { name: "Begin", exact: true }).click();
  await page.locator(".job").first().getByText("The provider did not let us in").waitFor();
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByLabel("Your password there").fill(anna.password); // all have the same
  await page.getByRole("button", { name: "Begin", exact: true }).click();
  const job = page.locator(".job").first();
  await job.getByText(/^Under way/).waitFor();
  await job.getByRole("progressbar").waitFor();
  await job.getByRole("button", { name: "Cancel" }).click();
  await job.getByText(/^Cancelled/).waitFor();
  await job.getByRole("button", { name: "Go on" }).click(); // takes it up where it was
  await page.getByLabel("Your password there").fill(anna.password);
  await page.getByRole("button", { name: "Begin", exact: true }).click();
  await job.getByText(/^Under way/).waitFor();
  await job.getByText(/^Done/).waitFor();
  assert.equal(await page.locator(".job", { hasText: "vera@far.test" }).count(), 1, "what was begun again is told once");
  await page.getByText(/by 43 messages/).waitFor(); // the room it takes is told anew
  assert.equal((await subjects(page)).filter((s) => s.startsWith("Gammalt")).length, 40);
});

async function download(page, name) {
  const saved = page.waitForEvent("download");
  await page.getByRole("link", { name }).click();
  return readFileSync(await (await saved).path());
}

async function bring(page, name, buffer) {
  const chooser = page.waitForEvent("filechooser");
  await page.getByText("Choose a file").click();
  await (await chooser).setFiles({ name, mimeType: "application/octet-stream", buffer });
}

async function subjects(page) {
  const [emails] = await jmap(page, ["Email/get", { ids: await inMailbox(page, "inbox"), properties: ["subject"] }]);
  return emails.list.map((e) => e.subject).sort();
}
