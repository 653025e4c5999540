// What a mail program sent and came back goes to the right address from its report: with the copy that the program kept among the sent ones,
// and without it from the report itself.

import { anna, assert, base, flow, submit } from "../flow.mjs";
import { imap } from "../imap.mjs";
import { inMailbox, jmap } from "../mail.mjs";

await flow(async ({ person }) => {
  const letter = (subject, id) => `From: ${anna.address}\r\nTo: Vera <strict@far.test>\r\nSubject: ${subject}\r\nMessage-ID: <${id}@program.test>\r\n\r\nKlockan sju.\r\n`;
  const mail = await imap(anna);
  const kept = letter("Kalaset", 1);
  await mail(`APPEND Sent (\\Seen) {${kept.length}+}\r\n${kept}`);
  await submit(anna, "strict@far.test", kept);
  const page = await person(anna, { expect: ["status of 404"] }); // the copy that goes is asked for once more where its report went first
  for (const [subject, id] of [["Kalaset", 1], ["Resan", 2]]) {
    if (id === 2) await submit(anna, "strict@far.test", letter(subject, id), "RET=FULL");
    await page.goto(`${base}/mail/inbox`);
    await page.getByRole("link", { name: new RegExp(subject) }).click();
    const banner = page.locator(".message-banner.bad", { hasText: "Not delivered to strict@far.test" });
    await banner.getByRole("button", { name: "Correct and send again" }).click();
    await page.getByLabel("The right address").fill("vera@far.test");
    await page.getByRole("dialog").getByRole("button", { name: "Correct and send" }).click();
    await page.getByText("On its way to vera@far.test now.").waitFor();
    await banner.waitFor({ state: "detached" });
  }

  // Each is among the sent ones once, as it went.
  const [emails] = await jmap(page, ["Email/get", { ids: await inMailbox(page, "sent"), properties: ["to", "subject"] }]);
  const sent = emails.list.map((e) => `${e.subject} ${e.to.map((a) => `${a.name} ${a.email}`)}`).sort();
  assert.deepEqual(sent, ["Kalaset Vera vera@far.test", "Resan Vera vera@far.test"]);
  await page.goto(`${base}/mail/sent`);
  await page.getByRole("row", { name: /Kalaset, Delivered/ }).waitFor();
  mail.close();
});
