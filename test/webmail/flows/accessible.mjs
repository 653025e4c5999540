// axe finds nothing to complain of on any page, with what opens over it, in the three languages, light and dark, on a phone and on a
// large screen.

import { anna, assert, base, bo, deliver, flow, letter, sizes, submit, violations } from "../flow.mjs";

const html = `<h1>Veckobrev</h1><p>Hej <a href="https://example.org/">läs mer</a></p><img src="https://pictures.example/x.png" width="200" height="100">`;

const found = [];

await flow(async ({ person }) => {
  await deliver(anna.address, letter({ subject: "Ett vanligt brev", text: "Hej\n\n> citerat\n> en gång till\n\n-- \nGreta" }));
  await deliver(anna.address, letter({ subject: "Med bild" }).replace("text/plain", "text/html").replace("Hello there.", html));
  await submit(bo, anna.address, letter({ from: bo.address, subject: "Från en kollega" }));

  for (const locale of ["en-GB", "sv-SE", "nb-NO"]) {
    const guest = await person(anna, { signIn: false, locale, expect: ["/f/not-there", "/sign-in/new"] });
    for (const path of ["/sign-in", "/sign-in/forgotten", "/sign-in/new?key=x", "/connect", "/doctor", "/why/", "/why/auth.password-wrong", "/f/not-there"]) await look(guest, path, locale);
    await guest.context().close();

    const page = await person(anna, { locale });
    await page.locator(".row").first().waitFor();
    for (const path of ["/mail/inbox", "/mail/drafts", "/mail/outbox", "/mail/junk", "/mail/contacts", "/mail/inbox?q=brev"]) await look(page, path, locale);
    await mail(page, locale);
    for (const section of ["", "account", "rules", "away", "notifications", "security", "devices", "sharing", "storage", "check"]) await look(page, `/settings/${section}`, locale);
    await look(page, "/doctor", locale);
    await page.locator("button.tile").first().click();
    await page.waitForURL("**/doctor/report/**");
    await page.locator("article.verdict").waitFor();
    await everyWay(page, `a report of the doctor in ${locale}`);
    await page.context().close();
  }
  assert.deepEqual(found, []);
});

/** mail looks at a conversation, at what opens over it, and at writing. */
async function mail(page, locale) {
  await page.goto(`${base}/mail/inbox`);
  await page.locator(".row", { hasText: "Med bild" }).getByRole("link").first().click();
  await page.locator(".body-box.there").waitFor();
  await everyWay(page, `a conversation in ${locale}`);
  for (const [key, what, open] of [["?", "the keys", "dialog[open]"], ["v", "where to move", ":popover-open, dialog[open]"], ["l", "labels", ":popover-open, dialog[open]"]]) {
    await page.keyboard.press(key);
    await page.locator(open).first().waitFor();
    await everyWay(page, `${what} in ${locale}`, { open });
    await page.keyboard.press("Escape");
    await page.locator(open).first().waitFor({ state: "hidden" });
  }
  await page.keyboard.press("r");
  await page.locator("[contenteditable=true]").waitFor();
  await everyWay(page, `an answer in ${locale}`);
}

async function look(page, path, locale) {
  await page.goto(base + path);
  // Nothing is on its way any more: neither words that say so nor rows that are not known yet.
  await page.waitForFunction(() => !document.querySelector(".row.waiting, [role=status] .waiting") && document.body.innerText.trim().length > 40);
  await page.waitForTimeout(150);
  await everyWay(page, `${path} in ${locale}`);
}

/** everyWay looks at a page small and large, light and dark. Between light and dark only colours differ. A menu may close when the window changes its size: then it was seen in one. */
async function everyWay(page, what, { open } = {}) {
  for (const [size, viewport] of Object.entries({ desktop: sizes.desktop, phone: sizes.phone })) {
    await page.setViewportSize(viewport);
    if (open && !(await page.locator(open).count())) continue;
    await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
    found.push(...(await violations(page, `${what}, light, ${size}`)));
    await page.emulateMedia({ colorScheme: "dark", reducedMotion: "reduce" });
    found.push(...(await violations(page, `${what}, dark, ${size}`, ["color-contrast"])));
  }
  await page.setViewportSize(sizes.desktop);
}
