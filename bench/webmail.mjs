// Measures a webmail in Chromium as somebody who uses it: node webmail.mjs postiljon|roundcube URL USER PASSWORD. It prints one JSON
// object with milliseconds. playwright-core is that of test/webmail.

import { createRequire } from "node:module";

const { chromium } = createRequire(new URL("../test/webmail/package.json", import.meta.url))("playwright-core");
const [kind, url, user, password] = process.argv.slice(2);

/** webmails are what is done in each, and how it is seen that it is done. */
const webmails = {
  postiljon: {
    async begin(page) {
      // Nobody is shown around while it is measured.
      const headers = { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };
      await page.context().request.put(`${url}/api/tour`, { headers, data: { seen: true } });
      await page.goto(`${url}/sign-in?next=/mail/inbox`);
      await page.fill("input[name=address]", user);
      await page.fill("input[name=password]", password);
    },
    submit: (page) => page.click("button[type=submit]"),
    usable: (page) => page.waitForSelector(".row .row-subject", { state: "visible" }),
    rows: ".row:not(.waiting) .row-link",
    opened: (page) => page.waitForSelector(".body-box.there", { state: "visible" }),
    async middle(page) {
      await page.evaluate(() => {
        const list = document.querySelector(".virtual");
        list.scrollTop = list.scrollHeight / 2;
      });
      await page.waitForFunction(() => {
        const box = document.querySelector(".virtual").getBoundingClientRect();
        const row = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)?.closest(".row");
        return row && !row.classList.contains("waiting") && row.querySelector(".row-subject")?.textContent;
      }, undefined, { polling: "raf" });
    },
    async search(page, word) {
      await page.fill("#search", word);
    },
    async out(page) {
      await page.context().clearCookies();
    },
  },
  roundcube: {
    async begin(page) {
      await page.goto(url);
      await page.fill("#rcmloginuser", user);
      await page.fill("#rcmloginpwd", password);
    },
    submit: (page) => page.click("#rcmloginsubmit"),
    usable: (page) => page.waitForSelector("#messagelist tr.message", { state: "visible" }),
    rows: "#messagelist tr.message td.subject",
    opened: (page) => page.frameLocator("#messagecontframe").locator("#messagebody").waitFor({ state: "visible" }),
    async middle(page) {
      const before = await page.locator("#messagelist tr.message").first().getAttribute("id");
      await page.evaluate(() => {
        const { rcmail } = window;
        rcmail.list_page(Math.floor(rcmail.env.pagecount / 2));
      });
      await page.waitForFunction((id) => {
        const first = document.querySelector("#messagelist tr.message");
        return first && first.id !== id;
      }, before, { polling: "raf" });
    },
    async search(page, word) {
      await page.fill("#mailsearchform", word);
      await page.press("#mailsearchform", "Enter");
    },
    async out(page) {
      await page.context().clearCookies();
    },
  },
};

const w = webmails[kind];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--ignore-certificate-errors", "--disable-dev-shm-usage"] });
const times = {};
const took = async (name, work) => {
  const begin = performance.now();
  await work();
  (times[name] ??= []).push(performance.now() - begin);
};

for (let round = 0; round < 3; round++) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1440, height: 900 }, locale: "en-GB" });
  const page = await context.newPage();
  page.setDefaultTimeout(120_000);
  for (const state of ["cold", "warm"]) {
    await w.begin(page);
    await took(state, async () => {
      await w.submit(page);
      await w.usable(page);
    });
    await page.waitForTimeout(1500); // what a page does afterwards is not part of what follows
    if (state === "cold") await w.out(page);
  }
  for (const n of [1, 3, 5]) {
    await took("open", async () => {
      await page.locator(w.rows).nth(n).click();
      await w.opened(page);
    });
    await page.waitForTimeout(500);
    await page.evaluate((kind) => kind === "roundcube" && document.querySelector("#messagecontframe")?.contentWindow?.location.replace("about:blank"), kind);
    await page.waitForTimeout(300);
    if (kind === "postiljon") await page.goBack();
    await page.waitForTimeout(300);
  }
  await took("middle", () => w.middle(page));
  await page.waitForTimeout(500);
  await took("search", async () => {
    await w.search(page, "walnut");
    await page.waitForFunction((rows) => {
      const all = [...document.querySelectorAll(rows)];
      return all.length > 0 && all.length < 60 && all.every((r) => r.textContent.includes("walnut"));
    }, w.rows, { polling: "raf" });
  });
  await context.close();
}
await browser.close();
const middle = (all) => all.sort((a, b) => a - b)[Math.floor(all.length / 2)];
console.log(JSON.stringify(Object.fromEntries(Object.entries(times).map(([k, v]) => [k, middle(v)]))));
