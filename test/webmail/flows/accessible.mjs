// axe finds nothing to complain of on any page, in the three languages, light and dark, on a phone and on a large screen.

import { anna, assert, base, bo, deliver, flow, letter, sizes, submit, violations } from "../flow.mjs";

const html = `<h1>Veckobrev</h1><p>Hej <a href="https://example.org/">läs mer</a></p><img src="https://pictures.example/x.png" width="200" height="100">`;

const found = [];

await flow(async ({ person }) => {
  await deliver(anna.address, letter({ subject: "Ett vanligt brev", text: "Hej\n\n> citerat\n> en gång till\n\n-- \nGreta" }));
  await deliver(anna.address, letter({ subject: "Med bild" }).replace("text/plain", "text/html").replace("Hello there.", html));
  await submit(bo, anna.address, letter({ from: bo.address, subject: "Från en kollega" }));

  for (const locale of ["en-GB", "sv-SE", "nb-NO"]) {
    const guest = await person(anna, { signIn: false, locale, expect: ["/f/not-there"] });
    for (const path of ["/sign-in", "/connect", "/doctor", "/why/", "/why/auth.password-wrong", "/f/not-there"]) await look(guest, path, locale);
    await guest.context().close();

    const page = await person(anna, { locale });
    await page.locator(".row").first().waitFor();
    for (const path of ["/mail/inbox", "/mail/drafts", "/mail/outbox", "/mail/contacts", "/mail/inbox?q=brev"]) await look(page, path, locale);
    await page.goto(`${base}/mail/inbox`);
    await page.locator(".row", { hasText: "Med bild" }).getByRole("link").first().click();
    await page.locator(".body-box.there").waitFor();
    await everyWay(page, `a conversation in ${locale}`);
    for (const section of ["account", "rules", "away", "notifications", "security", "devices", "storage", "check"]) await look(page, `/settings/${section}`, locale);
    await page.context().close();
  }
  assert.deepEqual(found, []);
});

async function look(page, path, locale) {
  await page.goto(base + path);
  // Nothing is on its way any more: neither words that say so nor rows that are not known yet.
  await page.waitForFunction(() => !document.querySelector(".row.waiting, [role=status] .waiting") && document.body.innerText.trim().length > 40);
  await page.waitForTimeout(150);
  await everyWay(page, `${path} in ${locale}`);
}

/** everyWay looks at a page in English light and dark, small and large; in the other languages, whose words are longer, small and light, large and dark. */
async function everyWay(page, what) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const [size, viewport] of Object.entries({ phone: sizes.phone, desktop: sizes.desktop })) {
      if (!what.includes("en-GB") && (colorScheme === "light") !== (size === "phone")) continue;
      await page.setViewportSize(viewport);
      found.push(...(await violations(page, `${what}, ${colorScheme}, ${size}`)));
    }
  }
}
