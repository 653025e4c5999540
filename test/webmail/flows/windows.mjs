// Two windows and a mail program work in the same mailbox. What one does the others see; and after a storm of changes by all
// three, both windows show exactly what IMAP says.

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { anna, assert, base, command, deliver, flow, letter, until } from "../flow.mjs";
import { imap } from "../imap.mjs";

const file = join(mkdtempSync(join(tmpdir(), "windows-")), "mail.mbox");
writeFileSync(file, Array.from({ length: 30 }, (_, i) =>
  `From a@b.test Thu Jan  1 00:00:00 2026\nFrom: Person ${i} <p${i}@elsewhere.test>\nTo: ${anna.address}\nSubject: Brev ${i}.\nMessage-ID: <b${i}@elsewhere.test>\n` +
  `Date: Thu, 01 Jan 2026 00:${String(i).padStart(2, "0")}:00 +0000\n\nText ${i}\n\n`).join(""));

/** subjects are those of the rows that a window shows, with what is said of them. */
const subjects = (page) => page.evaluate(() => [...document.querySelectorAll("#list .row")].map((r) => [
  r.querySelector(".row-subject")?.textContent, r.classList.contains("unread") ? "unread" : "read", r.querySelector(".row-star[aria-pressed=true]") ? "starred" : "plain"].join(" ")).sort());
const gone = (page, subject) => page.locator("#list .row", { hasText: subject }).waitFor({ state: "detached" });
const there = (page, subject) => page.locator("#list .row", { hasText: subject }).waitFor();

await flow(async ({ person }) => {
  command("import", anna.address, file, "--mailbox", "INBOX");
  const tall = { viewport: { width: 1440, height: 3600 }, expect: ["status of 404", "status of 429"] }; // all rows are in sight; a message may go before its text was kept; what a busy service does not begin is asked again
  const one = await person(anna, tall);
  const two = await person(anna, tall);
  const mail = await imap(anna);
  await there(one, "Brev 29.");
  await there(two, "Brev 29.");

  // Archived in one, gone in the other, and in the archive by IMAP.
  await one.locator("#list .row", { hasText: "Brev 29." }).hover();
  await one.locator("#list .row", { hasText: "Brev 29." }).getByRole("button", { name: "Archive" }).click();
  await gone(two, "Brev 29.");
  assert.match((await mail(`STATUS Archive (MESSAGES)`)).join(), /MESSAGES 1/);

  // Flags by IMAP; a folder made there; a message moved there.
  await mail("SELECT INBOX");
  const uid = async (subject) => /(\d+)$/.exec((await mail(`UID SEARCH SUBJECT "${subject}"`)).find((l) => l.startsWith("* SEARCH")))[1];
  await mail(`UID STORE ${await uid("Brev 28.")} +FLAGS (\\Seen \\Flagged)`);
  for (const page of [one, two]) await page.locator("#list .row:not(.unread)", { hasText: "Brev 28." }).waitFor();
  await mail("CREATE Resor");
  for (const page of [one, two]) await page.getByRole("link", { name: "Resor" }).waitFor();
  await mail(`UID MOVE ${await uid("Brev 27.")} Resor`);
  for (const page of [one, two]) await gone(page, "Brev 27.");

  // The conversation that is open goes for ever: it is said, and nothing else breaks.
  await two.getByRole("link", { name: /Brev 26\./ }).click();
  await two.getByRole("heading", { name: "Brev 26." }).waitFor();
  const open = await uid("Brev 26.");
  await mail(`UID STORE ${open} +FLAGS.SILENT (\\Deleted)`);
  await mail(`UID EXPUNGE ${open}`);
  for (const page of [one, two]) await gone(page, "Brev 26.");
  await two.getByRole("heading", { name: "Brev 26." }).waitFor({ state: "detached" });
  await two.goto(`${base}/mail/inbox`);
  await there(two, "Brev 25.");

  // The storm: 200 changes, by IMAP and by both windows, in an order made up anew each time.
  const seed = Number(process.env.POSTILJON_SEED ?? Date.now() % 1e6);
  console.log("seed", seed);
  let state = seed;
  const random = (n) => (state = (state * 1103515245 + 12345) % 2147483648) % n;
  let came = 0;
  const uids = async () => (await mail("UID SEARCH ALL")).find((l) => l.startsWith("* SEARCH"))?.match(/\d+/g) ?? [];
  const click = async (page, action) => {
    const rows = await page.locator("#list .row[data-id]").count();
    if (rows < 6) return;
    // A row may go while it is clicked at: that is part of the storm.
    await page.evaluate(async ([at, action]) => {
      const row = [...document.querySelectorAll("#list .row[data-id]")][at];
      row?.dispatchEvent(new PointerEvent("pointerenter"));
      await new Promise(requestAnimationFrame);
      [...(row?.querySelectorAll("button") ?? [])].find((b) => b.ariaLabel === action)?.click();
    }, [random(rows), action]);
  };
  for (let i = 0; i < 200; i++) {
    const all = await uids();
    const any = all[random(all.length)];
    const what = random(9);
    if (all.length < 8 || what === 0) await deliver(anna.address, letter({ subject: `Nytt ${++came}.` }));
    else if (what === 1) await mail(`UID STORE ${any} +FLAGS (\\Seen)`);
    else if (what === 2) await mail(`UID STORE ${any} -FLAGS (\\Seen)`);
    else if (what === 3) await mail(`UID STORE ${any} ${"+-"[random(2)]}FLAGS (\\Flagged)`);
    else if (what === 4 && random(3) === 0) await mail(`UID MOVE ${any} Resor`);
    else if (what === 5 && random(3) === 0) {
      await mail(`UID STORE ${any} +FLAGS.SILENT (\\Deleted)`);
      await mail(`UID EXPUNGE ${any}`);
    } else if (what === 6) await click(one, "Star");
    else if (what === 7 && random(2) === 0) await click(two, "Archive");
    else await click(two, "Mark as read");
  }

  const says = async () => {
    // A message that went since the last look cannot be fetched until it was said that it went (RFC 5530, EXPUNGEISSUED).
    await mail("NOOP");
    const lines = await mail("FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])").catch((error) => {
      if (!/EXPUNGEISSUED/.test(error.message)) throw error;
      return [];
    });
    const text = lines.join("\n");
    return [...text.matchAll(/\* \d+ FETCH [^]*?FLAGS \(([^)]*)\)[^]*?Subject: ([^\n]*)/g)]
      .map(([, flags, subject]) => [subject, flags.includes("\\Seen") ? "read" : "unread", flags.includes("\\Flagged") ? "starred" : "plain"].join(" ")).sort();
  };
  const calm = async (page) => {
    let difference;
    for (let i = 0; i < 200; i++) {
      const [shown, real] = [await subjects(page), await says()];
      difference = { missing: real.filter((x) => !shown.includes(x)), wrong: shown.filter((x) => !real.includes(x)), counts: [shown.length, real.length] };
      if (JSON.stringify(shown) === JSON.stringify(real)) return;
      await new Promise((r) => setTimeout(r, 100));
    }
    assert.fail(`a window differs from IMAP, seed ${seed}: ${JSON.stringify(difference)}`);
  };
  await calm(one);
  await calm(two);
  const unread = (await mail("STATUS INBOX (UNSEEN)")).join().match(/UNSEEN (\d+)/)[1];
  for (const page of [one, two]) await until(page, (n) => document.title.startsWith(n === "0" ? "Inbox" : `(${n}) Inbox`), unread);
  mail.close();
});
