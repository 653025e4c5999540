// Measures a webmail in Chromium as somebody who uses it: node webmail.mjs postiljon|roundcube URL USER PASSWORD [ROUNDS]. It prints
// one JSON object with milliseconds, medians of all rounds. playwright-core is that of test/webmail.
//
// The clock is the page's own, and the same for both: from the time stamp of the event that a person causes (the form is
// submitted, the mouse button goes down, a key is pressed) to the end of the first frame that shows what was wanted. What drives
// the browser is no part of it: it moves the mouse and waits to be told.

import { createRequire } from "node:module";

const { chromium } = createRequire(new URL("../test/webmail/package.json", import.meta.url))("playwright-core");
const [kind, url, user, password, rounds = "3"] = process.argv.slice(2);

/** rare is a word of 50 messages. */
const rare = "walnut";

/**
 * meter runs in every frame before its own scripts. meterArm, called by what drives the browser, says what is awaited and which
 * event begins it; that outlives a navigation in sessionStorage. Each change of the page is a reason to look whether it is
 * there; if so, the time is that of a task after the next frame was drawn.
 */
function meter({ kind, rare }) {
  const box = (e) => e?.getBoundingClientRect();
  const visible = (e) => box(e)?.width > 0 && box(e).height > 0 && getComputedStyle(e).visibility === "visible";
  const text = (e) => e?.textContent.trim();
  const rows = { postiljon: ".row:not(.waiting)", roundcube: "#messagelist tr.message" }[kind];
  const found = (all) => all.length > 0 && all.length < 60 && all.every((r) => r.textContent.includes(rare));
  const shownFrame = () => {
    const frame = document.querySelector("iframe.body");
    const page = frame?.contentDocument;
    return page?.readyState === "complete" && page.contentType === "text/html" && text(page.body)?.length > 100 && visible(frame);
  };
  const atMiddle = () => {
    const list = box(document.querySelector(".virtual"));
    const row = document.elementFromPoint(list.x + list.width / 2, list.y + list.height / 2)?.closest(".row");
    return row && !row.classList.contains("waiting") && Number(row.getAttribute("aria-rowindex")) > 40_000 && text(row.querySelector(".row-subject"));
  };
  /** there tells whether what is awaited is there. */
  const there = {
    usable: () => visible(document.querySelector(`${rows}`)) && text(document.querySelector(rows)),
    open: kind === "postiljon" ? shownFrame : () => top !== self && text(document.querySelector("#messagebody"))?.length > 100 && visible(document.querySelector("#messagebody")),
    middle: kind === "postiljon" ? atMiddle : (was) => document.querySelector(rows) && document.querySelector(rows).id !== was,
    search: () => found([...document.querySelectorAll(rows)]),
  };
  const key = "meter";
  const armed = () => JSON.parse(sessionStorage.getItem(key) ?? "null");
  const now = () => performance.timeOrigin + performance.now();
  let drawing = false;
  const look = () => {
    const a = armed();
    if (drawing || !a?.begin || a.done || !there[a.what](a.with)) return;
    drawing = true;
    requestAnimationFrame(() => {
      const after = new MessageChannel();
      after.port1.onmessage = () => {
        drawing = false;
        sessionStorage.removeItem(key);
        window.meterTold(now() - a.begin);
      };
      after.port2.postMessage(0);
    });
  };
  window.meterArm = (what, event, given) => sessionStorage.setItem(key, JSON.stringify({ what, event, with: given }));
  /** meterBegin begins by itself, for what a script does in place of a hand. */
  window.meterBegin = (what, given) => sessionStorage.setItem(key, JSON.stringify({ what, with: given, begin: now() }));
  for (const event of ["submit", "pointerdown", "input", "keydown"]) {
    addEventListener(event, (e) => {
      const a = armed();
      if (a?.event === event) sessionStorage.setItem(key, JSON.stringify({ ...a, begin: performance.timeOrigin + e.timeStamp })); // the last one counts
    }, true);
  }
  addEventListener("load", look, true); // that of frames, too
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
}

/** webmails are what is done in each. */
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
    submit: "form button[type=submit]",
    rows: ".row:not(.waiting) .row-link",
    middle: () => {
      const list = document.querySelector(".virtual");
      window.meterBegin("middle");
      list.scrollTop = list.scrollHeight / 2;
    },
    fling: ".virtual",
    search: "#search",
    lastKey: "input",
    away: (page) => page.goBack(),
  },
  roundcube: {
    async begin(page) {
      await page.goto(url);
      await page.fill("#rcmloginuser", user);
      await page.fill("#rcmloginpwd", password);
    },
    submit: "#rcmloginsubmit",
    rows: "#messagelist tr.message td.subject",
    middle: () => {
      const { rcmail } = window;
      window.meterBegin("middle", document.querySelector("#messagelist tr.message").id);
      rcmail.list_page(Math.floor(rcmail.env.pagecount / 2));
    },
    search: "#mailsearchform",
    lastKey: "keydown", // Enter
    away: (page) => page.evaluate(() => document.querySelector("#messagecontframe").contentWindow.location.replace("about:blank")),
  },
};

/** fling turns the wheel over a list as fast as it goes, then drags its scroll bar to and fro, and counts tasks of more than 50 ms. */
async function fling(page, list) {
  const box = await page.locator(list).boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.evaluate(() => {
    window.long = [];
    new PerformanceObserver((all) => all.getEntries().forEach((e) => window.long.push(e.duration))).observe({ type: "longtask" });
  });
  for (let turn = 0; turn < 100; turn++) {
    await page.mouse.wheel(0, 3000);
    await page.waitForTimeout(16);
  }
  for (let part = 0; part < 60; part++) {
    await page.evaluate(([list, at]) => {
      const e = document.querySelector(list);
      e.scrollTop = e.scrollHeight * at;
    }, [list, Math.abs(((part * 7) % 40) - 20) / 20]);
    await page.waitForTimeout(16);
  }
  await page.evaluate((list) => (document.querySelector(list).scrollTop = 0), list);
  await page.waitForTimeout(500);
  return page.evaluate(() => window.long.length);
}

const w = webmails[kind];
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--ignore-certificate-errors", "--disable-dev-shm-usage", ...(process.env.CHROMIUM_ARGS?.split(" ") ?? [])],
});
const times = {};

for (let round = 0; round < Number(rounds); round++) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1440, height: 900 }, locale: "en-GB" });
  let told = () => {};
  await context.exposeFunction("meterTold", (ms) => told(ms));
  await context.addInitScript(meter, { kind, rare });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const took = async (name, work) => {
    const done = new Promise((resolve, reject) => {
      told = resolve;
      setTimeout(reject, 60_000, new Error(`${kind}: ${name} was not seen`)).unref();
    });
    await work();
    (times[name] ??= []).push(await done);
  };
  /** press presses the mouse button on something, on which it has rested for as long as it takes a hand to do so. */
  const press = async (name, what, event, target) => {
    await target.scrollIntoViewIfNeeded();
    const box = await target.boundingBox();
    await page.evaluate(([name, event]) => window.meterArm(name, event), [what, event]);
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2, { steps: 4 });
    await page.waitForTimeout(100);
    await took(name, async () => {
      await page.mouse.down();
      await page.mouse.up().catch(() => {}); // the page may have gone
    });
  };
  for (const state of ["cold", "warm"]) {
    await w.begin(page);
    await page.waitForTimeout(1000); // nobody types faster
    await press(state, "usable", "submit", page.locator(w.submit));
    await page.waitForTimeout(2000); // what a page does afterwards is not part of what follows
    if (state === "cold") await context.clearCookies();
  }
  for (const n of [1, 3, 5]) {
    await press("open", "open", "pointerdown", page.locator(w.rows).nth(n));
    await page.waitForTimeout(500);
    await w.away(page);
    await page.waitForTimeout(500);
  }
  await took("middle", () => page.evaluate(w.middle));
  await page.waitForTimeout(500);
  await page.click(w.search);
  await page.evaluate(([event]) => window.meterArm("search", event), [w.lastKey]);
  await took("search", async () => {
    await page.keyboard.insertText(rare); // at once, so that no letter before the last has begun a search
    if (w.lastKey === "keydown") await page.keyboard.press("Enter");
  });
  if (w.fling) {
    await page.goto(`${url}/mail/inbox`);
    await page.waitForTimeout(2000);
    (times.long ??= []).push(await fling(page, w.fling));
  }
  await context.close();
}
await browser.close();
const middle = (all) => all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)];
if (process.env.VERBOSE) console.error(Object.entries(times).map(([k, v]) => `${k}: ${v.map((x) => x.toFixed(1)).join(" ")}`).join("\n"));
console.log(JSON.stringify(Object.fromEntries(Object.entries(times).map(([k, v]) => [k, middle(v)]))));
