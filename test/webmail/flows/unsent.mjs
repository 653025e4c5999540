// Nothing that was written is lost and nothing goes twice: without a line, with an answer that was lost, after a reload, and
// with the same draft in two windows.

import { anna, assert, base, bo, flow, until } from "../flow.mjs";
import { inMailbox, jmap } from "../mail.mjs";

const write = async (page, subject, text) => {
  await page.goto(`${base}/mail/inbox?mailto=${encodeURIComponent(`mailto:${bo.address}?subject=${subject}`)}`);
  await page.getByRole("textbox", { name: "Text of the message" }).fill(text, { timeout: 45_000 }); // the first one fetches what it needs
};
const subjects = async (page, role) => {
  const [emails] = await jmap(page, ["Email/get", { ids: await inMailbox(page, role), properties: ["subject"] }]);
  return emails.list.map((e) => e.subject).sort();
};

await flow(async ({ person }) => {
  const page = await person(anna, { expect: ["ERR_INTERNET_DISCONNECTED", "ERR_FAILED", "Failed to fetch", "ERR_CONNECTION"] });

  // Without a line it waits here, and goes when the line is back.
  await write(page, "Utan linje", "Skrivet i tunneln.");
  await page.context().setOffline(true);
  await page.keyboard.press("Control+Enter");
  await page.getByText("This goes by itself as soon as it can").waitFor();
  await page.context().setOffline(false);
  await page.getByText("“Utan linje” has been sent.").waitFor();

  // The server has it, but its answer is lost: it is asked again, and sends it once.
  await write(page, "Tappat svar", "En gång räcker.");
  let lost = 0;
  await page.route("**/jmap/api", async (route) => {
    if (!lost && route.request().postData()?.includes("EmailSubmission/set")) {
      lost++;
      await route.fetch();
      return route.abort("connectionreset");
    }
    return route.continue();
  });
  await page.keyboard.press("Control+Enter");
  await page.getByText("“Tappat svar” has been sent.").waitFor({ timeout: 45_000 });
  assert.equal(lost, 1);
  await page.unroute("**/jmap/api");
  assert.deepEqual(await subjects(page, "sent"), ["Tappat svar", "Utan linje"]);
  assert.deepEqual(await subjects(page, "drafts"), []);

  // The page goes before anything was saved: what was typed is offered again.
  await write(page, "Avbrutet", "Detta hann inte sparas.");
  await until(page, () => new Promise((resolve) => {
    const open = indexedDB.open(`postiljon-${JSON.parse(document.getElementById("first").textContent).account.id}`);
    open.onsuccess = () => {
      const all = open.result.transaction("drafts").objectStore("drafts").getAll();
      all.onsuccess = () => resolve(all.result.some((d) => d.html.includes("inte sparas")));
    };
  }));
  await page.reload();
  await page.getByText("There is text that could not be saved in time.").waitFor();
  await page.getByRole("button", { name: "Open", exact: true }).click();
  assert.match(await page.getByRole("textbox", { name: "Text of the message" }).innerText(), /Detta hann inte sparas/);
  await page.getByText("Saved", { exact: true }).waitFor();

  // Another window changes the same draft: both are kept.
  const other = await page.context().newPage();
  await other.goto(`${base}/mail/drafts`);
  await other.locator(".row").first().click();
  await other.getByRole("textbox", { name: "Text of the message" }).press("End");
  await other.keyboard.type(" Från andra fönstret.");
  await page.getByText("changed or removed in another window").waitFor();
  await page.getByRole("button", { name: "Keep both" }).click();
  await until(page, () => !document.querySelector(".compose-note"));
  await page.getByText("Saved", { exact: true }).waitFor();
  assert.deepEqual(await subjects(page, "drafts"), ["Avbrutet", "Avbrutet"]);

  const there = await person(bo);
  await until(there, () => document.querySelectorAll(".row").length > 0);
  await there.goto(`${base}/mail/inbox`);
  await until(there, () => document.querySelectorAll(".row").length === 2);
});
