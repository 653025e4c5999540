// While somebody types, the webmail is drawn once out of sight: nothing is asked of the server but the program, nothing is kept, nothing
// can be come to or is heard of, and nothing of it is left for who signs in then.

import { anna, assert, base, bo, flow, sizes, until } from "../flow.mjs";

const program = /\/(sign-in|assets\/|ui\/)/;

/** watched keeps what the rehearsal put into the page, and tells when the last of it went. */
function watched() {
  window.stages = [];
  new MutationObserver((all) => {
    for (const m of all) {
      for (const e of m.addedNodes) if (e.localName === "iframe") window.stages.push({ frame: e, inert: e.inert, hidden: e.ariaHidden, seen: getComputedStyle(e).visibility, box: e.getBoundingClientRect().width });
      for (const e of m.removedNodes) if (e.localName === "iframe") window.left = window.stages.length;
    }
  }).observe(document, { childList: true, subtree: true });
}

await flow(async ({ person }) => {
  const page = await person(anna, { signIn: false, locale: "sv", expect: ["/sign-in"] });
  const asked = [];
  page.on("request", (r) => asked.push(`${r.method()} ${new URL(r.url()).pathname}`));
  await page.addInitScript(watched);
  await page.goto(`${base}/sign-in?next=/mail/drafts`);
  const title = await page.title();
  await page.focus("#address");
  await page.keyboard.type(anna.address, { delay: 20 });
  await until(page, () => window.left === 1);
  const state = await page.evaluate(() => ({
    stages: window.stages.map(({ frame, ...rest }) => rest), frames: document.querySelectorAll("iframe, #app, .row").length, steps: history.length,
    focus: document.activeElement.id, typed: document.activeElement.value, kept: Object.keys(localStorage), title: document.title, address: location.pathname,
  }));
  assert.deepEqual(state, {
    stages: [{ inert: true, hidden: "true", seen: "hidden", box: sizes.desktop.width }], frames: 0, steps: 2,
    focus: "address", typed: anna.address, kept: [], title, address: "/sign-in",
  });
  assert.ok(asked.some((r) => r.endsWith("/icons.svg")), "it was drawn");
  assert.deepEqual(asked.filter((r) => !/^GET /.test(r) || !program.test(r)), [], "nothing else was asked for");
  assert.deepEqual(await page.evaluate(() => indexedDB.databases()), []);

  // A wrong password leaves the page for signing in; with the right one comes the webmail, where one wanted to go, in the language of the account.
  await page.fill("#password", "NOSUCH");
  await page.press("#password", "Enter");
  await page.getByRole("heading", { name: "stämmer inte" }).waitFor();
  const headers = { Authorization: `Basic ${Buffer.from(`${anna.address}:${anna.password}`).toString("base64")}` };
  assert.ok((await page.request.put(`${base}/api/account`, { headers, data: { language: "nb" } })).ok());
  await until(page, () => window.left === 1);
  await page.fill("#password", anna.password);
  await page.press("#password", "Enter");
  await page.waitForURL("**/mail/drafts");
  await page.getByRole("heading", { name: "Kladder" }).waitFor();
  assert.equal(await page.getAttribute("html", "lang"), "nb");
  assert.equal(await page.getByText("example.invalid").count(), 0);
  assert.deepEqual(await page.locator(".folders a").evaluateAll((all) => all.map((a) => a.getAttribute("href")).filter((h) => h === "/mail/F0")), []);

  // Who is faster than the program signs in all the same: while its scripts are on their way, or have not begun to come.
  for (const late of ["app.js", "rehearsal.js", "app.css"]) {
    const hasty = await person(bo, { signIn: false, viewport: sizes.phone, expect: ["/sign-in"] });
    await hasty.route(`**/ui/*/${late}`, async (r) => (await new Promise((go) => setTimeout(go, 1500)), r.continue()));
    await hasty.goto(`${base}/sign-in`, { waitUntil: "commit" });
    await hasty.fill("#address", bo.address);
    await hasty.fill("#password", bo.password);
    await hasty.press("#password", "Enter");
    await hasty.getByRole("heading", { name: "Inbox" }).waitFor();
    await hasty.waitForTimeout(1600); // what was late comes, and does nothing
    await hasty.getByRole("heading", { name: "Inbox" }).waitFor();
    assert.equal(await hasty.locator(".who").getAttribute("title"), bo.address);
    await hasty.context().close();
  }
});
