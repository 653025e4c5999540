// Who comes for the first time is shown around in three steps, once, whatever the browser; with the keyboard alone, and skipped.

import { accessible, anna, assert, base, bo, cilla, flow, sizes, until } from "../flow.mjs";

const words = { sv: ["Här är din post", "Nästa", "Börja"], nb: ["Her er posten din", "Neste", "Begynn"], en: ["Your mail is here", "Next", "Begin"] };

await flow(async ({ person }) => {
  for (const [lang, [title]] of Object.entries(words)) {
    for (const [viewport, colorScheme] of [[sizes.phone, "dark"], [sizes.desktop, "light"]]) {
      const page = await person(anna, { locale: lang, viewport, colorScheme });
      await page.getByRole("dialog", { name: title }).waitFor();
      await accessible(page, `the tour in ${lang}`);
      if (process.env.POSTILJON_SHOTS) await page.screenshot({ path: `${process.env.POSTILJON_SHOTS}/tour-${lang}-${colorScheme}.png` });
      await page.context().close(); // neither skipped nor seen
    }
  }

  // By keys: three notes, each in sight beside what it is about, then the focus is where it was.
  const page = await person(anna);
  for (const [title, beside] of [["Your mail is here", "#search"], ["What became of what you sent", ".folders a[href='/mail/sent']"], ["Set up the rest when you like", "a.to-settings"]]) {
    const note = page.getByRole("dialog", { name: title });
    await note.waitFor();
    await until(page, () => document.activeElement?.matches("[role=dialog]"));
    assert.equal(await page.locator(`${beside}[data-toured]`).count(), 1, title);
    const box = await note.boundingBox();
    assert.ok(box.x >= 0 && box.y >= 0 && box.x + box.width <= 1440 && box.y + box.height <= 900, JSON.stringify(box));
    const button = note.getByRole("button", { name: title.startsWith("Set up") ? "Begin" : "Next" });
    while (!(await button.evaluate((b) => b === document.activeElement))) await page.keyboard.press("Tab");
    const seen = page.waitForResponse((r) => r.url().endsWith("/api/tour") && r.request().method() === "PUT");
    seen.catch(() => {});
    await page.keyboard.press("Enter");
    if (title.startsWith("Set up")) assert.equal((await seen).status(), 200);
  }
  await page.locator("[data-toured]").waitFor({ state: "detached" });
  await page.keyboard.press("?"); // the page's own keys are back
  await page.getByRole("dialog", { name: /[Kk]ey/ }).waitFor();

  // Nobody is shown around twice: not here, and not in another browser.
  const asked = [];
  page.on("request", (r) => r.url().endsWith("/api/tour") && asked.push(r.url()));
  await page.reload();
  await page.getByText("No messages").or(page.getByText("Nothing new. You have seen it all.")).first().waitFor();
  assert.deepEqual(asked, []);
  const other = await person(anna, { signIn: false });
  const answer = other.waitForResponse((r) => r.url().endsWith("/api/tour"));
  await other.goto(`${base}/sign-in?next=/mail/inbox`);
  await other.fill("#address", anna.address);
  await other.fill("#password", anna.password);
  await other.click("button[type=submit]");
  assert.deepEqual(await (await answer).json(), { seen: true });
  assert.equal(await other.locator(".tour").count(), 0);

  // Skipped by Escape on a phone is seen, too.
  const phone = await person(bo, { viewport: sizes.phone, hasTouch: true });
  await phone.getByRole("dialog", { name: "Your mail is here" }).waitFor();
  await phone.getByRole("button", { name: "Next" }).tap();
  await phone.getByRole("dialog", { name: "What became of what you sent" }).waitFor();
  if (process.env.POSTILJON_SHOTS) await phone.screenshot({ path: `${process.env.POSTILJON_SHOTS}/tour-phone2.png` });
  const put = phone.waitForResponse((r) => r.url().endsWith("/api/tour") && r.request().method() === "PUT");
  await phone.keyboard.press("Escape");
  await put;
  assert.equal(await phone.locator(".tour").count(), 0);

  // Escape ends it also where somebody is back in the page.
  const back = await person(cilla);
  await back.getByRole("dialog", { name: "Your mail is here" }).waitFor();
  await back.evaluate(() => document.activeElement.blur());
  await back.keyboard.press("Escape");
  await back.locator(".tour").waitFor({ state: "detached" });
  assert.equal(await back.locator("[data-toured]").count(), 0);
}, { tour: true });
