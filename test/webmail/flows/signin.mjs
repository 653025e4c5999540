// Signing in: without script too, with what is wrong said plainly, by links from elsewhere, and out again with all that the browser kept.

import { anna, assert, accessible, base, bo, command, flow, sizes, until } from "../flow.mjs";

const words = { sv: ["Logga in", "stämmer inte"], nb: ["Logg inn", "stemmer ikke"], en: ["Sign in", "is not right"] };

await flow(async ({ person }) => {
  // Every page of it, in all languages, light and dark, wide and narrow.
  for (const [lang, [title, wrong]] of Object.entries(words)) {
    for (const [viewport, colorScheme] of [[sizes.phone, "light"], [sizes.desktop, "dark"]]) {
      const page = await person(anna, { signIn: false, locale: lang, viewport, colorScheme, expect: ["/sign-in", "assets/signin.js"] });
      await page.goto(`${base}/`);
      await page.getByRole("heading", { name: title }).waitFor();
      await accessible(page, `sign-in in ${lang}`);
      await page.fill("#address", anna.address.replace("example", "exmaple"));
      await page.fill("#password", "NOSUCH");
      await page.press("#password", "Enter");
      await page.getByRole("heading", { name: wrong }).waitFor();
      await page.getByText(/Caps Lock .*\?/).waitFor();
      await accessible(page, `a wrong password in ${lang}`);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, "wider than the window");
      await page.getByRole("link", { name: anna.address }).click(); // which was probably meant
      assert.equal(await page.inputValue("#address"), anna.address);
      await page.context().close();
    }
  }

  // Without script everything is there.
  const plain = await person(anna, { signIn: false, javaScriptEnabled: false, expect: ["/sign-in"] });
  await plain.goto(`${base}/sign-in`);
  assert.equal(await plain.locator("#passkey, #show").filter({ visible: true }).count(), 0);
  await plain.fill("#address", anna.address.split("@")[0]);
  await plain.fill("#password", anna.password);
  await plain.click("button[type=submit]");
  await plain.waitForURL("**/mail/");
  await plain.goto(`${base}/sign-out`);
  await plain.click("button[type=submit]");
  await plain.waitForURL("**/sign-in*");

  // A browser without cookies would be asked again and again: it is told why. What a blocked cookie looks like is played here.
  for (const javaScriptEnabled of [true, false]) {
    const bare = await person(anna, { signIn: false, locale: "sv", javaScriptEnabled, expect: ["/sign-in"] });
    await bare.goto(`${base}/sign-in`);
    await bare.context().clearCookies();
    await bare.fill("#address", anna.address);
    await bare.fill("#password", anna.password);
    await bare.click("button[type=submit]");
    await bare.getByRole("heading", { name: "Kakor är avstängda" }).waitFor();
    await bare.fill("#password", anna.password); // allowed now
    await bare.click("button[type=submit]");
    await bare.waitForURL("**/mail/");
    await bare.context().close();
  }

  // Who was here before has the worker of the webmail in the browser: what is wrong is said then, too, and no page is asked for twice.
  const back = await person(anna, { expect: ["/sign-in", "/api/tour"] }); // its cookies are taken away meanwhile
  await back.goto(`${base}/mail/`);
  await back.evaluate(() => navigator.serviceWorker.ready);
  await back.context().clearCookies();
  await back.goto(`${base}/sign-in?lang=nb`);
  await back.fill("#address", anna.address);
  await back.fill("#password", "feil passord");
  await back.click("button[type=submit]");
  await back.getByRole("heading", { name: words.nb[1] }).waitFor();
  await back.reload();
  await back.getByRole("heading", { name: words.nb[1] }).waitFor();
  await back.context().close();

  // A password of the operator is for once: another is chosen, and one comes to where one was going.
  const first = command("password", "set", bo.address, "--generate", "--change").trim().split(" ").at(-1);
  const fresh = await person(bo, { signIn: false, locale: "sv", viewport: sizes.phone, expect: ["/sign-in"] });
  await fresh.goto(`${base}/sign-in?next=/mail/drafts`);
  await fresh.fill("#address", bo.address);
  await fresh.fill("#password", first);
  await fresh.click("button[type=submit]");
  await fresh.getByRole("heading", { name: "Välj ett nytt lösenord" }).waitFor();
  await accessible(fresh, "the page for a new password");
  await fresh.fill("#password", "kort");
  await fresh.click("button[type=submit]");
  await fresh.getByRole("alert").getByText("minst").waitFor();
  await accessible(fresh, "a new password that is not taken");
  await fresh.fill("#password", "fyra glada katter diskar");
  await fresh.click("button[type=submit]");
  await fresh.waitForURL("**/mail/drafts");
  assert.match((await fresh.context().cookies(base)).find((c) => c.name === "zone")?.value ?? "", /^\w+/, "the server knows whose hours it tells");

  // Somebody follows a link on another site, before and after signing in. 127.0.0.1 and localhost are two sites.
  const page = await person(anna, { signIn: false, expect: ["/sign-in", "/jmap/", "/api/session"] });
  const follow = async () => {
    await page.goto(`${base.replace("127.0.0.1", "localhost")}/connect`);
    await page.evaluate((href) => document.body.append(Object.assign(document.createElement("a"), { href, id: "link", textContent: "mail" })), `${base}/mail/inbox?from=elsewhere`);
    await page.click("#link");
  };
  await follow();
  await page.waitForURL("**/sign-in?next=*");
  await page.fill("#address", anna.address);
  await page.fill("#password", anna.password);
  await page.click("#show");
  assert.equal(await page.getAttribute("#password", "type"), "text");
  await page.check("input[name=remember]");
  await page.click("button[type=submit]");
  await page.waitForURL("**/mail/inbox?from=elsewhere");
  await follow();
  await page.waitForURL("**/mail/inbox?from=elsewhere");
  await page.locator(".topbar").waitFor();
  const cookie = (await page.context().cookies(base)).find((c) => c.name === "__Host-postiljon");
  assert.ok(cookie.expires > Date.now() / 1000 + 80 * 24 * 3600 && cookie.httpOnly && cookie.secure && cookie.sameSite === "Strict", JSON.stringify(cookie));

  // Signing out takes along what was kept for reading without a line.
  await page.evaluate(() => new Promise((done, failed) => {
    const request = indexedDB.open("left behind");
    request.onsuccess = () => (request.result.close(), done());
    request.onerror = failed;
  }));
  await page.locator(".who").click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.waitForURL("**/sign-in*");
  await until(page, async () => !(await indexedDB.databases()).some((d) => d.name === "left behind"));
  await page.goto(`${base}/mail/inbox`);
  await page.waitForURL("**/sign-in?next=*");

  // The operator ends everything of the account: the page says so by itself.
  await page.fill("#address", anna.address);
  await page.fill("#password", anna.password);
  await page.click("button[type=submit]");
  await page.locator(".topbar").waitFor();
  command("account", "signout", anna.address);
  await page.getByText("You have been signed out").waitFor();
});
