// A message that is too large for its recipient's server comes back with one button: its file goes up as a link, and what is left
// of the message is delivered.

import { randomBytes } from "node:crypto";
import { anna, assert, base, command, flow } from "../flow.mjs";
import { inMailbox, jmap } from "../mail.mjs";

await flow(async ({ person }) => {
  const page = await person(anna);
  await page.goto(`${base}/mail/inbox?mailto=${encodeURIComponent("mailto:vera@far.test?subject=Bilderna&body=Här är de.")}`);
  await page.getByRole("dialog", { name: "Bilderna" }).waitFor();
  const chooser = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "Attach files" }).click();
  await (await chooser).setFiles({ name: "bilder från ön.zip", mimeType: "application/zip", buffer: randomBytes(2 << 20) });
  await page.locator(".file.done").waitFor();
  await sendNow(page);

  // Their server says what it takes, and the Outbox what can be done.
  const row = page.locator(".outbox-row.bounced");
  await row.waitFor();
  await row.getByText("Your message is 2.9 MB. The recipient's mail service (vera@far.test) takes no message that large, at most 1 MB.").waitFor();
  await page.goto(`${base}/mail/inbox`); // the report does not ask for another address
  await page.getByRole("link", { name: /Not delivered/ }).click();
  await page.getByRole("button", { name: "See what can be done" }).click();
  await page.waitForURL("**/mail/outbox");
  await row.getByRole("button", { name: "Send as a link" }).click();
  const window = page.getByRole("dialog", { name: "Bilderna" });
  await window.getByText(/· link until/).waitFor();
  assert.equal(await window.getByText("vera@far.test").count(), 1);
  await window.getByRole("textbox", { name: "Text of the message" }).click();
  await sendNow(page);
  await page.getByText("Nothing waits").waitFor(); // also not what failed

  // It is there, without the file.
  await page.goto(`${base}/mail/sent`);
  const [emails] = await jmap(page, ["Email/get", { ids: await inMailbox(page, "sent"), properties: ["id", "size", "messageId", "preview"] }]);
  const sent = emails.list.find((e) => e.size < 100e3);
  assert.ok(sent && emails.list.length === 2, JSON.stringify(emails.list));
  assert.match(command("trace", sent.messageId[0], "--lang=en"), /mail\.far\.test/);
  assert.match(sent.preview, /bilder från ön\.zip/);

  // Where there is no file, no link is offered.
  const [boxes] = await jmap(page, ["Mailbox/get", { ids: null }]);
  const mailboxIds = { [boxes.list.find((m) => m.role === "sent").id]: true };
  const [identities] = await jmap(page, ["Identity/get", { ids: null }]);
  const [made, handed] = await jmap(page,
    ["Email/set", { create: { e: { mailboxIds, from: [{ email: anna.address }], to: [{ email: "vera@far.test" }], subject: "A novel", textBody: [{ partId: "t" }], bodyValues: { t: { value: "All of it. ".repeat(150_000) } } } } }],
    ["EmailSubmission/set", { create: { s: { identityId: identities.list[0].id, emailId: "#e" } } }]);
  assert.ok(made.created?.e && handed.created?.s, JSON.stringify([made, handed]));
  await page.goto(`${base}/mail/outbox`);
  await row.getByText("A novel").waitFor();
  assert.equal(await row.locator(".outbox-do button").first().innerText(), "Open and send again");
  assert.doesNotMatch(await row.innerText(), /link/);
  await row.getByRole("button", { name: "More" }).click();
  assert.equal(await page.getByRole("menuitem", { name: "Send as a link" }).count(), 0);
});

/** sendNow sends what is being written without waiting for somebody to take it back. */
async function sendNow(page) {
  await page.keyboard.press("Control+Enter");
  await page.getByText("Sending to").waitFor();
  await page.goto(`${base}/mail/outbox`);
  await page.locator(".outbox-row.scheduled").getByRole("button", { name: "More" }).click();
  await page.getByRole("menuitem", { name: "Send now" }).click();
}
