// Somebody signs in, sees the inbox, reads a message, and puts it away and back.

import { accessible, anna, assert, base, deliver, flow, letter, until } from "../flow.mjs";
import { jmap } from "../mail.mjs";

await flow(async ({ person }) => {
  await deliver(anna.address, letter({ subject: "Fika på fredag?", text: "Vi ses i köket klockan tre.\n\nGreta" }));
  const page = await person(anna, { serviceWorkers: "block", expect: ["status of 500"] });
  const row = page.getByRole("link", { name: /Fika på fredag/ });
  await row.waitFor();
  assert.match(await row.innerText(), /Greta Test/);
  await page.emulateMedia({ colorScheme: "dark" });
  await row.click();
  await page.getByRole("heading", { name: "Fika på fredag?" }).waitFor();
  await page.frameLocator("iframe.body").getByText("Vi ses i köket klockan tre.").waitFor();

  // What is dark on the page is light on paper.
  await page.evaluate(() => (window.print = () => (window.paper = document.querySelector("iframe.body").src)));
  await page.keyboard.press("Control+p");
  await until(page, () => window.paper?.includes("theme=light") && document.querySelector("iframe.body").contentDocument?.URL.includes("theme=dark"));
  await page.emulateMedia({ colorScheme: "light" }); // and what is open becomes light as the page does
  await until(page, () => /^\/m\/.*theme=light/.test(document.querySelector("iframe.body").getAttribute("src")));

  // What arrives while the page is open comes by itself.
  await deliver(anna.address, letter({ subject: "Second" }));
  await page.getByRole("link", { name: /Second/ }).waitFor();

  /** away puts the window to write in away. */
  async function away() {
    const subject = page.getByRole("textbox", { name: "Subject" });
    await subject.press("Escape");
    await subject.waitFor({ state: "detached" });
  }

  // Who is written to from a link in a message is written to here.
  await deliver(anna.address, letter({ subject: "Third", text: "Skriv till lista@elsewhere.test.", headers: "List-Unsubscribe: <mailto:leave@elsewhere.test?subject=leave%20me>\r\n" }));
  await page.getByRole("link", { name: /Third/ }).click();
  await page.frameLocator("iframe.body").getByRole("link", { name: "lista@elsewhere.test" }).dblclick();
  await page.getByText("lista@elsewhere.test", { exact: true }).first().waitFor();
  await away();
  await page.getByRole("button", { name: "Unsubscribe" }).dblclick(); // which asks once
  await until(page, () => [...document.querySelectorAll("input")].some((i) => i.value === "leave me"));
  await away();

  // An invitation says what, when by the reader's clock, and who invites.
  await deliver(anna.address, [`From: greta@elsewhere.test`, `To: ${anna.address}`, "Subject: Fourth", "MIME-Version: 1.0", "Content-Type: text/calendar; method=REQUEST", "", "BEGIN:VCALENDAR", "METHOD:REQUEST",
    "BEGIN:VEVENT", "SUMMARY:Fika", "DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261225", "ORGANIZER;CN=Greta:mailto:greta@elsewhere.test", "END:VEVENT", "END:VCALENDAR", ""].join("\r\n"));
  await page.getByRole("link", { name: /Fourth/ }).click();
  await page.getByText(/^Thursday,? 24 December 2026$/).waitFor();
  await page.getByText("Invitation from Greta").waitFor();
  await page.frameLocator("iframe.body").getByText("This message has no text.").waitFor();

  // A message inside another one is opened in place, and so are texts; the key that closes gives the focus back.
  const inside = "From: Saga <saga@elsewhere.test>\r\nSubject: Inside\r\n\r\nThe text inside.\r\n";
  await deliver(anna.address, `From: greta@elsewhere.test\r\nTo: ${anna.address}\r\nSubject: Fifth\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee below.\r\n` +
    `--b\r\nContent-Type: message/rfc822\r\n\r\n${inside}--b\r\nContent-Type: text/csv; name=list.csv\r\nContent-Disposition: attachment\r\n\r\nname;number\r\n--b--\r\n`);
  await page.getByRole("link", { name: /Fifth/ }).click();
  for (const [link, title, text] of [[/^The message/, "Inside", "The text inside."], [/^list\.csv/, "list.csv", "name;number"]]) {
    await page.getByRole("link", { name: link }).click();
    const dialog = page.getByRole("dialog", { name: title });
    await dialog.frameLocator("iframe").getByText(text).waitFor();
    await dialog.getByRole("link", { name: "Download", exact: true }).waitFor();
    await accessible(page, title);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    assert.match(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), link);
  }

  // Of a long conversation every message can be reached, whichever was not read.
  const head = (n) => `References: <first@elsewhere.test>\r\nMessage-ID: <${n ? `m${n}` : "first"}@elsewhere.test>\r\n`;
  for (let n = 0; n < 9; n++) await deliver(anna.address, letter({ subject: "Long talk", text: `Part ${n}`, headers: head(n) }).replace(/Message-ID:.*\r\n/, ""));
  const talk = page.getByRole("link", { name: /Long talk/ });
  await until(page, () => [...document.querySelectorAll(".row")].some((r) => /Long talk/.test(r.innerText) && /\b9\b/.test(r.innerText)));
  const [found] = await jmap(page, ["Email/query", { filter: { subject: "Long talk" }, sort: [{ property: "receivedAt", isAscending: true }] }]);
  await jmap(page, ["Email/set", { update: Object.fromEntries(found.ids.map((id, n) => [id, { "keywords/$seen": n !== 1 || null }])) }]);
  await until(page, () => [...document.querySelectorAll(".row")].some((r) => /Long talk/.test(r.textContent) && /Part 8/.test(r.textContent)));
  await talk.click();
  await page.getByRole("button", { name: /^Show \d more messages$/ }).click();
  await until(page, () => document.querySelectorAll("article.message").length === 9);

  // However long a message is, its end can be reached: with the page, and beyond that in its frame.
  for (const [subject, tall] of [["Long letter", 50_000], ["Longer letter", 150_000]]) {
    await deliver(anna.address, letter({ subject, text: `${'<p style="height:5000px">x</p>\r\n'.repeat(tall / 5000)}<p>The end.</p>` }).replace("text/plain", "text/html"));
    await page.getByRole("link", { name: new RegExp(subject) }).click();
    const end = page.frameLocator("iframe.body").getByText("The end.");
    await end.waitFor();
    await end.scrollIntoViewIfNeeded();
    await until(page, () => {
      const frame = document.querySelector("iframe.body").getBoundingClientRect();
      const last = [...document.querySelector("iframe.body").contentDocument.querySelectorAll("p")].at(-1).getBoundingClientRect();
      return last.bottom <= frame.height + 20 && frame.top + last.bottom <= innerHeight && frame.top + last.top >= 0;
    });
  }

  // What cannot be fetched is asked for again, and where nothing is left there is a way back.
  await page.route("**/m/*/body*", (route) => route.fulfill({ status: 500, contentType: "application/json", body: "{}" }));
  await deliver(anna.address, letter({ subject: "Sixth", text: "Here after all." }));
  await page.getByRole("link", { name: /Sixth/ }).click();
  await page.getByText("This could not be shown just now.").waitFor();
  await page.unroute("**/m/*/body*");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.frameLocator("iframe.body").getByText("Here after all.").waitFor();
  await page.goto(`${base}/mail/inbox/T999999`);
  await page.getByText("This conversation is no longer here: it was deleted.").waitFor();
  await page.getByRole("button", { name: "Back", exact: true }).click();
  await page.waitForURL("**/mail/inbox");
});
