// A draft loses nothing: files whose window is closed or whose page is loaded anew while they go up, pictures and letters in bold when the text is plain
// for a while, and what two windows wrote of it.

import { anna, assert, base, bo, flow, until } from "../flow.mjs";
import { inMailbox, jmap } from "../mail.mjs";

await flow(async ({ person }) => {
  const page = await person(anna, { expect: ["ERR_FAILED"] });
  const write = async (subject) => {
    await page.goto(`${base}/mail/inbox?mailto=${encodeURIComponent(`mailto:${bo.address}?subject=${subject}`)}`);
    await page.getByRole("dialog", { name: subject }).waitFor();
  };
  const files = async (subject) => {
    const [emails] = await jmap(page, ["Email/get", { ids: await inMailbox(page, "drafts"), properties: ["subject", "attachments"] }]);
    return emails.list.filter((e) => e.subject === subject).map((e) => e.attachments.map((a) => a.name).join());
  };
  const attach = async (name) => {
    const chooser = page.waitForEvent("filechooser");
    await page.getByRole("button", { name: "Attach files" }).click();
    await (await chooser).setFiles({ name, mimeType: "text/plain", buffer: Buffer.from(name) });
    await page.locator(".file").waitFor();
  };

  // A window that is closed lets its file arrive; a page that is loaded anew sends it once more.
  let arrive, slow;
  const slowly = () => (slow = new Promise((resolve) => (arrive = resolve)));
  await page.route("**/jmap/upload/**", async (route) => {
    await slow;
    await route.continue().catch(() => {});
  });
  slowly();
  await write("Stängd");
  await attach("ett.txt");
  await page.getByRole("button", { name: "Close" }).first().click();
  await page.getByText("Kept in Drafts.").waitFor();
  arrive();
  await eventually(async () => (await files("Stängd")).join(";") === "ett.txt");

  slowly();
  await write("Omladdad");
  await attach("två.txt");
  await page.getByText("Saved", { exact: true }).waitFor();
  await page.goto(`${base}/mail/inbox`);
  arrive();
  await page.locator(".toast").getByRole("button", { name: "Open" }).click();
  await page.locator(".file.done").waitFor();
  await eventually(async () => (await files("Omladdad")).join(";") === "två.txt");

  // Plain for a while.
  await write("Form");
  const text = page.getByRole("textbox", { name: "Text of the message" });
  await text.click();
  await page.keyboard.press("Control+b");
  await page.keyboard.type("Fet");
  await page.evaluate(async () => {
    const canvas = new OffscreenCanvas(20, 20);
    canvas.getContext("2d").fillRect(0, 0, 9, 9);
    const data = new DataTransfer();
    data.items.add(new File([await canvas.convertToBlob()], "rita.png", { type: "image/png" }));
    document.querySelector(".editor").dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  });
  await page.locator(".editor img").waitFor();
  await until(page, () => document.querySelector(".compose .saved")?.textContent === "Saved");
  const change = async () => {
    await page.locator(".compose-foot").getByRole("button", { name: "More" }).click();
    await page.getByText("Plain text").click();
  };
  await change();
  await page.locator(".files").getByText("rita.png").waitFor();
  await change();
  await page.locator(".editor b", { hasText: "Fet" }).waitFor();
  await page.locator(".editor img").waitFor();
  assert.equal(await page.locator(".files").count(), 0);

  // What was done can be undone, and done again.
  const said = () => text.evaluate((e) => e.innerHTML.replace(/\u200b/g, ""));
  const before = await said();
  await text.press("Control+a");
  await page.keyboard.press("Control+i");
  await page.locator(".editor i", { hasText: "Fet" }).waitFor();
  await page.keyboard.press("Control+z");
  assert.equal(await said(), before);
  await page.keyboard.press("Control+y");
  await page.locator(".editor i", { hasText: "Fet" }).waitFor();
  await page.keyboard.press("Control+z");
  await page.locator(".editor b", { hasText: "Fet" }).waitFor();
  assert.equal(await page.locator(".editor input").count(), 0);

  // What was discarded can be had back, with its files.
  await write("Kastad");
  await attach("tre.txt");
  await page.locator(".file.done").waitFor();
  await page.getByText("Saved", { exact: true }).waitFor();
  await page.locator(".compose-foot").getByRole("button", { name: "Discard" }).click();
  await page.locator(".toast", { hasText: "discarded" }).getByRole("button", { name: "Undo" }).click();
  await page.getByRole("textbox", { name: "Subject" }).fill("Kastad och hämtad");
  await page.getByText("Saved", { exact: true }).waitFor();
  await eventually(async () => (await files("Kastad och hämtad")).join(";") === "tre.txt" && (await files("Kastad")).length === 0);

  // Two windows: one cannot be taken for the other.
  await write("Två");
  await text.fill("Ett.");
  await page.getByText("Saved", { exact: true }).waitFor();
  const other = await person(anna);
  await other.goto(`${base}/mail/drafts`);
  await other.getByRole("link", { name: /Två/ }).click();
  await other.getByRole("textbox", { name: "Text of the message" }).fill("Annat.");
  await other.getByText("Saved", { exact: true }).waitFor();
  await other.keyboard.press("Control+Enter");
  await other.getByText("Sending to").waitFor();
  await page.getByText("changed or removed in another window").waitFor();
  await page.keyboard.press("Control+Enter");
  await page.locator(".compose-note button:focus").waitFor();
  assert.equal((await inMailbox(page, "sent")).length, 1);
  await page.keyboard.press("Enter");
  await text.press("Control+Enter");
  await eventually(async () => (await inMailbox(page, "sent")).length === 2);

  // The service ends after it stored the message and before it handed it in: it is sent once, and leaves no draft.
  await write("Avbruten");
  await text.fill("En gång.");
  await page.getByText("Saved", { exact: true }).waitFor();
  let broken = false;
  await page.route("**/jmap/api", async (route) => {
    const asked = route.request().postDataJSON();
    if (broken || !asked.methodCalls.some(([name]) => name === "EmailSubmission/set")) return route.continue();
    broken = true;
    asked.methodCalls = asked.methodCalls.filter(([name]) => name !== "EmailSubmission/set");
    await route.fetch({ postData: JSON.stringify(asked) });
    await route.abort();
  });
  await page.keyboard.press("Control+Enter");
  await page.getByText("“Avbruten” has been sent.").waitFor({ timeout: 45_000 });
  await eventually(async () => (await inMailbox(page, "sent")).length === 3 && (await files("Avbruten")).length === 0);
  const there = await person(bo);
  await there.getByRole("link", { name: /Avbruten/ }).waitFor();
  assert.equal(await there.getByRole("link", { name: /Avbruten/ }).count(), 1);
});

/** eventually waits until something is so. */
async function eventually(so) {
  const end = Date.now() + 15_000;
  while (!(await so())) {
    assert.ok(Date.now() < end, `not within 15 seconds: ${so}`);
    await new Promise((r) => setTimeout(r, 200));
  }
}
