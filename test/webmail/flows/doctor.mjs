// The doctor: for somebody who cannot sign in, here and at another provider, and for somebody who can. What is the matter stands in
// one sentence, with one button; what is mended is tried again and said to be fixed; help is asked for with what was found.

import { accessible, anna, assert, base, bo, command, deliver, flow, letter, submit } from "../flow.mjs";
import { imap } from "../imap.mjs";

await flow(async ({ person }) => {
  // Who cannot sign in. The password is tried once, and what is wrong said without telling more than a stranger may know.
  const outside = await person(anna, { signIn: false });
  await outside.goto(`${base}/doctor`);
  await outside.getByRole("heading", { name: "What is wrong with your mail?" }).waitFor();
  await accessible(outside, "the doctor in public");
  await outside.getByLabel("I cannot sign in").check();
  await outside.getByLabel("Your mail address").fill(anna.address);
  await outside.getByLabel("Password, if you like").fill("not-that-one");
  await outside.getByRole("button", { name: "Find out" }).click();
  await found(outside, "Wrong user name or password");
  await accessible(outside, "what the doctor found in public");
  await again(outside, anna.password);
  await found(outside, /^Fixed at \d\d:\d\d/);

  // An account at another provider, whose server takes its time: what is looked at is shown as it is looked at.
  await outside.goto(`${base}/doctor`);
  await outside.getByLabel("Your mail address").fill("vera@far.test");
  await outside.getByLabel("Password, if you like").fill("not-that-one");
  await outside.getByRole("button", { name: "Find out" }).click({ noWaitAfter: true });
  await outside.getByText("We are looking into it").waitFor();
  await outside.locator(".live .checks li", { hasText: "The right settings" }).waitFor();
  assert.equal(await outside.locator("article.verdict").count(), 0, "told before it was known");
  await found(outside, "Wrong user name or password");
  await outside.getByText("What we checked").click();
  await outside.locator(".checked").getByText("Sign-ins tried:").waitFor();
  await outside.getByRole("link", { name: "Ask for help" }).click();
  await outside.getByText("Download this and give it to whoever looks after your mail").waitFor();
  assert.doesNotMatch(await outside.locator("main").innerText(), /not-that-one/);
  await outside.getByRole("link", { name: "Back to what was found" }).click();
  await again(outside, anna.password); // all have the same
  await found(outside, /^Fixed at \d\d:\d\d/);

  // Who is signed in sees what is the matter at once: nothing, then a mailbox that is full.
  const page = await person(anna);
  await page.goto(`${base}/doctor`);
  await page.getByRole("heading", { name: "What is wrong?" }).waitFor();
  assert.equal(await page.locator(".pressing").count(), 0);
  await deliver(anna.address, letter({ text: "Hej hej hej.\r\n".repeat(100) }));
  command("account", "quota", anna.address, "1KB");
  await page.reload();
  await page.getByText("Too full").waitFor();
  assert.match(await page.locator(".tile").first().innerText(), /^Too full/);
  await accessible(page, "the doctor's tiles");
  await page.getByRole("button", { name: /^Too full/ }).click();
  await found(page, "The mailbox is full");
  await page.getByRole("link", { name: "Make room" }).click();
  await page.waitForURL("**/settings/storage");
  await page.goBack();
  command("account", "quota", anna.address, "1GB");
  await again(page);
  await found(page, /^Fixed at \d\d:\d\d/);

  // A server refused what she sent: the message is in the list, and its server's reason is told.
  await submit(anna, "strict@far.test", letter({ from: anna.address, to: "strict@far.test", subject: "Till Strikt" }));
  do await page.goto(`${base}/doctor`); // it is refused in its own time
  while (!(await page.getByText("1 message has not arrived yet").count()));
  assert.match(await page.locator(".tile").first().innerText(), /^They didn't get it/);
  await page.getByRole("link", { name: /^They didn't get it/ }).click();
  await page.getByRole("button", { name: /strict@far\.test.*Till Strikt.*has not arrived/s }).click();
  await found(page, "The recipient does not take this message");
  await page.getByText("What we checked").click();
  await page.locator(".checked").getByText("The recipient takes no mail from you").waitFor();

  // The limit is reached: until when, and where what waits lies.
  command("account", "change", anna.address, "--hourly=1");
  await assert.rejects(submit(anna, bo.address, letter({ from: anna.address, to: bo.address, subject: "En för mycket" })), /450 4\.7\.1/);
  await page.goto(`${base}/doctor`);
  assert.match(await page.locator(".tile").first().innerText(), /^I can't send/);
  await page.getByRole("button", { name: /^I can't send/ }).click();
  await found(page, "You have sent as much as an hour allows");
  await page.locator("article.verdict").getByText(/\d\d:\d\d/).first().waitFor();
  await page.getByRole("link", { name: "Open the Outbox" }).waitFor();

  // Help: what goes to the postmaster is shown before, without other people's addresses; then it goes.
  await page.getByRole("link", { name: "Ask for help" }).click();
  await page.getByText("This is what goes to the postmaster").waitFor();
  await page.getByText("report.json").click();
  const bundle = (await page.locator("pre").allInnerTexts()).join("\n");
  assert.match(bundle, /limit\.address-hourly/);
  assert.doesNotMatch(bundle, new RegExp(`${bo.address}|strict@far|${anna.password}|En för mycket|Till Strikt`));
  await accessible(page, "asking for help");
  await page.getByLabel("Your own words, if you like").fill("Jag måste skicka fler i dag.");
  await page.getByRole("button", { name: "Send to the postmaster" }).click();
  await page.getByText("It is on its way to the postmaster").waitFor();
  const reference = await page.locator("code.reference").innerText();
  const post = await imap(anna);
  await post("SELECT INBOX");
  assert.match((await post(`SEARCH SUBJECT ${reference}`)).join(), /SEARCH \d/);
  post.close();
});

/** found waits for what the doctor found; what was checked is closed. */
async function found(page, sentence) {
  await page.locator("article.verdict").getByRole("heading", { level: 1, name: sentence }).waitFor({ timeout: 40_000 });
  assert.equal(await page.locator("details.checked").evaluate((d) => d.open), false);
  assert.equal(await page.locator(".live").isVisible().catch(() => false), false);
}

/** again has what was found looked at again. */
async function again(page, password) {
  if (password) await page.getByLabel("Password, if it is to be tried again").fill(password);
  await page.getByRole("button", { name: "Test again" }).click({ noWaitAfter: true });
}
