// The self-check: what is broken in the browser is found and set up anew with one button, which loses nothing and takes nothing away
// that could not be fetched again.

import { anna, assert, base, deliver, flow, letter } from "../flow.mjs";
import { jmap } from "../mail.mjs";

await flow(async ({ person }) => {
  await deliver(anna.address, letter({ subject: "Ett brev" }));
  const page = await person(anna, { expect: ["ERR_FAILED", "ERR_INTERNET_DISCONNECTED"] });
  const row = page.locator("#list .row", { hasText: "Ett brev" });
  await row.waitFor();
  await page.evaluate(() => navigator.serviceWorker.ready);
  const check = async (verdict) => {
    await page.goto(`${base}/settings/check`);
    await page.getByRole("status").getByText(verdict).waitFor({ timeout: 30_000 });
  };
  const line = (name) => page.locator(".checks li", { hasText: name });
  await check("Everything works");

  // What is needed without a connection went away: found, and fetched again. What the worker was told stays.
  await page.evaluate(async () => {
    for (const name of await caches.keys()) await caches.delete(name);
    await (await caches.open("pages")).put("/push-preferences", new Response("{}"));
  });
  await check("mends most of it");
  await line("Without a connection").getByText("not in this browser any more").waitFor();
  await repair(page);
  await page.evaluate(() => navigator.serviceWorker.ready);
  assert.ok(await page.evaluate(async () => !!(await caches.match("/push-preferences"))));
  await check("Everything works");

  // Without a connection that is what is said, of all of it, and nothing is taken away.
  await page.context().setOffline(true);
  await page.getByRole("button", { name: "Check again" }).click();
  await page.getByRole("status").getByText("There is no connection").waitFor({ timeout: 30_000 });
  assert.equal(await page.getByText("proxy").count(), 0);
  await page.getByRole("button", { name: "Set up anew" }).click();
  await page.getByText("This needs a connection").waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Is everything all right?" }).waitFor();
  await page.context().setOffline(false);

  // What was done while the server was not reached is done after all.
  await page.goto(`${base}/mail/inbox`);
  await row.waitFor();
  await page.route("**/jmap/api*", (r) => r.abort());
  await row.locator(".row-star").click();
  await row.locator(".row-star[aria-pressed=true]").waitFor();
  await page.goto(`${base}/settings/check`);
  await repair(page);
  await page.unroute("**/jmap/api*");
  for (let tries = 0; ; tries++) {
    const [query] = await jmap(page, ["Email/query", { filter: { hasKeyword: "$flagged" } }]);
    if (query.ids.length === 1) break;
    assert.ok(tries < 60, "what was starred without a connection is lost");
    await page.waitForTimeout(250);
  }
});

async function repair(page) {
  await page.getByRole("button", { name: "Set up anew" }).click();
  await page.waitForURL("**/mail/inbox");
}
