// What went wrong on the way is tried again by itself: a server that has too much to do, one that is away for a moment, a line that is cut in the
// middle, a session that another window began anew. And what another window changes of labels is seen without a reload.

import { anna, assert, base, deliver, flow, letter, signIn, until } from "../flow.mjs";

await flow(async ({ person }) => {
  for (let i = 0; i < 3; i++) await deliver(anna.address, letter({ subject: `Vanlig ${i}` }));
  await deliver(anna.address, letter({ subject: "Nål", text: `${"Ord utan mening står här. ".repeat(6)}Kantarellen stod under granen, och ingen annan såg den.` }));
  const page = await person(anna, { expect: ["status of 401", "status of 429", "status of 503", "ERR_FAILED", "ERR_INTERNET"] });
  await page.getByRole("link", { name: /Nål/ }).waitFor();

  /** search types a word while answers come as which says: it is called with the number of the try. */
  const search = async (word, which, found) => {
    let tries = 0;
    await page.route("**/jmap/api", (route) => (route.request().postData().includes(word) ? which(route, ++tries) : route.continue()));
    await page.getByRole("combobox", { name: "Search" }).fill(word);
    await found();
    await page.unroute("**/jmap/api");
    await page.getByRole("combobox", { name: "Search" }).press("Escape");
    await page.getByRole("link", { name: /Vanlig 0/ }).waitFor();
    return tries;
  };
  const row = () => page.locator("#list .row", { hasText: "Nål" }).locator("mark").waitFor();
  const refuse = (n, answer) => (route, tries) => (tries <= n ? answer(route) : route.continue());

  // Too much at once: the page waits a moment, and nobody is told.
  assert.ok((await search("kantarellen", refuse(3, (r) => r.fulfill({ status: 429, contentType: "application/problem+json", body: "{}" })), row)) >= 4);

  // Away for a moment: it is said, and goes on by itself.
  await search("kantarell", refuse(2, (r) => r.fulfill({ status: 503, body: "" })), async () => {
    await page.getByText("It is tried again by itself.").waitFor();
    await row();
  });

  // The line is cut, and nothing else says so: what is kept here does not stand in for what the server finds.
  await search("granen", refuse(1, (r) => r.abort()), row);
  await until(page, () => !document.querySelector(".line-down"));

  // What was found far down in a text is in sight of a narrow row.
  await page.getByRole("combobox", { name: "Search" }).fill("granen");
  await row();
  const [mark, line] = await page.locator("#list .row", { hasText: "Nål" }).evaluate((r) => [r.querySelector(".row-preview mark"), r.querySelector(".row-preview")].map((e) => e.getBoundingClientRect().right));
  assert.ok(mark <= line, `${mark} is beyond ${line}`);

  // What was looked for before has its words marked again, whatever was looked for meanwhile.
  await page.getByRole("combobox", { name: "Search" }).fill("kantarell");
  await row();
  await page.getByRole("combobox", { name: "Search" }).press("Escape");

  // Labels, in two windows.
  const two = await person(anna);
  const one = page.locator("#list .row", { hasText: "Nål" });
  await two.locator("#list .row", { hasText: "Nål" }).click({ button: "right" });
  await two.getByRole("menuitem", { name: /^Label/ }).click();
  await two.getByRole("combobox", { name: "Label" }).fill("Skog");
  await two.getByRole("option", { name: /Skog/ }).click();
  await one.getByText("Skog").waitFor();
  const painted = await one.locator(".label").evaluate((e) => e.style.getPropertyValue("--c"));
  assert.match(painted, /^#/, "the label has its colour");

  // Somebody signs out and in again in another window of the same browser: this one goes on.
  const other = await page.context().newPage();
  await other.goto(`${base}/mail/inbox`);
  await other.getByRole("button", { name: /^Account/ }).click();
  await other.getByRole("menuitem", { name: "Sign out" }).click();
  await other.waitForURL("**/sign-in**");
  await signIn(other, anna);
  await page.bringToFront();
  await page.locator("#list .row", { hasText: "Vanlig 1" }).click();
  await page.getByRole("heading", { name: "Vanlig 1" }).waitFor();
  await until(page, () => !document.querySelector(".banner.warn"));
  await page.locator(".reading-head").getByRole("button", { name: "Archive" }).click();
  await page.getByText(/moved to the archive/).waitFor();
  await other.locator("#list .row", { hasText: "Vanlig 1" }).waitFor({ state: "detached" });
});
