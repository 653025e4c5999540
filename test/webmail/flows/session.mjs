// A session that ends while somebody writes costs nothing: it is said, what was written is kept in the browser, and after
// signing in again it is offered and goes on.

import { anna, assert, base, bo, command, flow, until } from "../flow.mjs";
import { inMailbox, jmap } from "../mail.mjs";

await flow(async ({ person }) => {
  const page = await person(anna, { expect: ["status of 401", "signed out"] });
  await page.goto(`${base}/mail/inbox?mailto=${encodeURIComponent(`mailto:${bo.address}?subject=Mitt i`)}`);
  const text = page.getByRole("textbox", { name: "Text of the message" });
  await text.fill("Första stycket.");
  await page.getByText("Saved", { exact: true }).waitFor();
  command("account", "signout", anna.address);
  await text.press("End");
  await page.keyboard.type(" Andra stycket, som skrevs sedan.");
  await page.getByText("You have been signed out.").first().waitFor();
  assert.match(await text.innerText(), /Andra stycket/);
  await until(page, () => new Promise((resolve) => {
    const open = indexedDB.open(`postiljon-${JSON.parse(document.getElementById("first").textContent).account.id}`);
    open.onsuccess = () => {
      const all = open.result.transaction("drafts").objectStore("drafts").getAll();
      all.onsuccess = () => resolve(all.result.some((d) => d.html.includes("som skrevs sedan.")));
    };
  }));

  await page.getByRole("alert").getByRole("button", { name: "Sign in" }).first().click();
  await page.waitForURL("**/sign-in?*");
  await page.fill("#address", anna.address);
  await page.fill("#password", anna.password);
  await page.click("button[type=submit]");
  await page.waitForURL("**/mail/inbox*");
  await page.getByText("There is text that could not be saved in time.").waitFor();
  await page.getByRole("button", { name: "Open", exact: true }).click();
  assert.match(await text.innerText(), /Första stycket\.[^]*Andra stycket, som skrevs sedan\./);
  await page.getByText("Saved", { exact: true }).waitFor();
  assert.equal((await inMailbox(page, "drafts")).length, 1, "there is one draft");
  await page.keyboard.press("Control+Enter");
  await page.getByText("Sending to").waitFor();
  const [sent] = await jmap(page, ["Email/get", { ids: await inMailbox(page, "sent"), properties: ["subject", "preview"] }]);
  assert.deepEqual(sent.list.map((e) => e.subject), ["Mitt i"]);
  assert.match(sent.list[0].preview, /Andra stycket/);
});
