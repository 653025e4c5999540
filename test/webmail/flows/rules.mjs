// A rule is put together by clicking, tried on what is there, saved, and does it; from a message one is begun; somebody who is
// away answers; and who sends mail on says once more who he is.

import { anna, assert, base, bo, deliver, flow, letter, submit, until } from "../flow.mjs";
import { jmap } from "../mail.mjs";

await flow(async ({ person }) => {
  await deliver(anna.address, letter({ from: "Nytt <brev@nytt.test>", subject: "Veckans nyheter" }));
  await deliver(anna.address, letter({ from: "Greta <greta@elsewhere.test>", subject: "Lunch?" }));
  const page = await person(anna, { expect: ["status of 403"] });
  await jmap(page, ["Mailbox/set", { create: { n: { name: "Nyhetsbrev" } } }]);

  // A signature with a picture, which another program made, outlives another name.
  const signature = '<b>Anna</b> <img src="data:image/png;base64,iVBORw0KGgo=">';
  const [{ list: [identity] }] = await jmap(page, ["Identity/get", { ids: null }]);
  await jmap(page, ["Identity/set", { update: { [identity.id]: { htmlSignature: signature } } }]);
  await page.goto(`${base}/settings/account`);
  await page.locator("details.identity summary").first().click();
  await page.getByText("Another program has set a signature").waitFor();
  await page.locator("details.identity").getByLabel("Name").fill("Anna Andersson");
  await page.locator("details.identity").getByRole("button", { name: "Save" }).click();
  await page.locator("details.identity summary", { hasText: "Anna Andersson" }).waitFor();
  const [{ list: [now] }] = await jmap(page, ["Identity/get", { ids: null }]);
  assert.equal(now.name, "Anna Andersson");
  assert.match(now.htmlSignature, /<img/);
  await page.getByRole("link", { name: "Rules" }).click();
  await page.getByText("You have no rules yet.").waitFor();
  await page.getByRole("button", { name: "Add a rule" }).click();
  await page.getByRole("textbox", { name: "Words, with commas between them" }).fill("nytt.test");
  await page.getByRole("combobox", { name: "Put it in a folder" }).selectOption({ label: "Nyhetsbrev" });
  await page.getByRole("checkbox", { name: "Mark it with a star" }).check();
  await page.getByRole("button", { name: "If the sender contains nytt.test: move to Nyhetsbrev, mark with a star." }).waitFor();
  for (const leave of [() => page.getByRole("link", { name: "Security" }).click(), () => page.evaluate(() => history.back())]) { // what was not saved is not lost
    await leave();
    await page.getByRole("dialog").getByText("Some changes are not saved").waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("textbox", { name: "Words, with commas between them" }).waitFor();
  }
  await page.getByRole("button", { name: "Try them on your newest messages" }).click();
  await page.getByText("Of your 2 newest messages, 1 would be treated differently. Nothing has been done.").waitFor();
  assert.match(await page.locator(".tried").innerText(), /Veckans nyheter[^]*Nyhetsbrev, starred/);
  assert.doesNotMatch(await page.locator(".tried").innerText(), /Lunch/);
  await page.getByRole("button", { name: "Save" }).click();
  await until(page, () => [...document.querySelectorAll("button")].find((b) => b.textContent === "Save")?.disabled);

  await deliver(anna.address, letter({ from: "Nytt <brev@nytt.test>", subject: "Nästa vecka" }));
  await page.goto(`${base}/mail/inbox`);
  await page.getByRole("link", { name: "Nyhetsbrev" }).click();
  await page.getByRole("link", { name: /Nästa vecka/ }).waitFor();
  assert.equal(await page.locator("#list .row").count(), 1, "what was there already stays");

  // From a message: the rule begins with its sender.
  await page.goto(`${base}/mail/inbox`);
  await page.getByRole("link", { name: /Lunch\?/ }).click();
  await page.getByRole("heading", { name: "Lunch?" }).waitFor();
  const begin = async () => {
    await page.locator("article").getByRole("button", { name: "More" }).first().click();
    await page.getByRole("menuitem", { name: /Make a rule from this/ }).click();
    await page.getByRole("button", { name: /If the sender contains greta@elsewhere\.test/ }).waitFor();
  };
  await begin();
  await page.goBack(); // nothing was typed, so nothing is asked
  await page.getByRole("heading", { name: "Lunch?" }).waitFor();
  await begin();
  await page.getByRole("checkbox", { name: "Mark it as read" }).check();
  await page.getByRole("button", { name: "Save" }).click();
  await until(page, () => [...document.querySelectorAll("button")].find((b) => b.textContent === "Save")?.disabled);
  await deliver(anna.address, letter({ from: "Greta <greta@elsewhere.test>", subject: "Middag?" }));
  await page.goto(`${base}/mail/inbox`);
  await page.locator("#list .row:not(.unread)", { hasText: "Middag?" }).waitFor();

  // Away: who writes is answered, once.
  await page.goto(`${base}/settings/away`);
  await page.getByRole("textbox", { name: "What it says" }).fill("Jag är borta till måndag.");
  await page.getByRole("switch", { name: "Answer who writes to me" }).check({ force: true });
  await page.getByText("Answers are sent", { exact: true }).waitFor();
  for (const subject of ["Är du där?", "Och nu?"]) await submit(bo, anna.address, letter({ from: bo.address, to: anna.address, subject }));
  const there = await person(bo);
  await there.getByRole("link", { name: /Auto: ?Är du där\?/ }).click();
  await there.frameLocator("iframe.body").getByText("Jag är borta till måndag.").waitFor();
  await page.getByRole("switch", { name: "Answer who writes to me" }).uncheck({ force: true });
  await page.getByText("No answers are sent").waitFor();

  // Mail goes on to another address only after the password was given again, if that was long ago.
  let asked = 0;
  await page.route("**/api/rules", async (route) => {
    if (route.request().method() === "PUT" && !asked++) return route.fulfill({ status: 403, json: { cause: "session.confirm", title: "Who are you?", text: "", action: "", reauthenticate: true } });
    return route.continue();
  });
  await page.getByRole("textbox", { name: "To these addresses" }).fill(bo.address);
  await page.getByRole("button", { name: "Save" }).last().click();
  const question = page.getByRole("dialog");
  await question.getByLabel("Password").fill("not it");
  await question.getByRole("button").last().click();
  await question.getByRole("alert").waitFor();
  await question.getByLabel("Password").fill(anna.password);
  await question.getByRole("button").last().click();
  await page.getByRole("button", { name: "Stop sending on" }).waitFor();
  await page.unroute("**/api/rules");
  await deliver(anna.address, letter({ subject: "Skickas vidare" }));
  await there.goto(`${base}/mail/inbox`);
  await there.getByRole("link", { name: /Skickas vidare/ }).waitFor();
  assert.equal(await there.getByRole("link", { name: /Auto:/ }).count(), 1);
  await page.goto(`${base}/mail/inbox`);
  await page.getByRole("link", { name: /Skickas vidare/ }).waitFor();
});
