// Somebody signs in, sees the inbox, reads a message, and puts it away and back.

import { anna, assert, deliver, flow, letter, until } from "../flow.mjs";

await flow(async ({ person }) => {
  await deliver(anna.address, letter({ subject: "Fika på fredag?", text: "Vi ses i köket klockan tre.\n\nGreta" }));
  const page = await person(anna);
  const row = page.getByRole("link", { name: /Fika på fredag/ });
  await row.waitFor();
  assert.match(await row.innerText(), /Greta Test/);
  await row.click();
  await page.getByRole("heading", { name: "Fika på fredag?" }).waitFor();
  await page.frameLocator("iframe.body").getByText("Vi ses i köket klockan tre.").waitFor();

  // What arrives while the page is open comes by itself.
  await deliver(anna.address, letter({ subject: "Second" }));
  await page.getByRole("link", { name: /Second/ }).waitFor();

  // Who is written to from a link in a message is written to here.
  await deliver(anna.address, letter({ subject: "Third", text: "Skriv till lista@elsewhere.test.", headers: "List-Unsubscribe: <mailto:leave@elsewhere.test?subject=leave%20me>\r\n" }));
  await page.getByRole("link", { name: /Third/ }).click();
  await page.frameLocator("iframe.body").getByRole("link", { name: "lista@elsewhere.test" }).click();
  await page.getByText("lista@elsewhere.test", { exact: true }).first().waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Unsubscribe" }).click();
  await until(page, () => [...document.querySelectorAll("input")].some((i) => i.value === "leave me"));
  await page.keyboard.press("Escape");

  // An invitation says what, when by the reader's clock, and who invites.
  await deliver(anna.address, [`From: greta@elsewhere.test`, `To: ${anna.address}`, "Subject: Fourth", "MIME-Version: 1.0", "Content-Type: text/calendar; method=REQUEST", "", "BEGIN:VCALENDAR", "METHOD:REQUEST",
    "BEGIN:VEVENT", "SUMMARY:Fika", "DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261225", "ORGANIZER;CN=Greta:mailto:greta@elsewhere.test", "END:VEVENT", "END:VCALENDAR", ""].join("\r\n"));
  await page.getByRole("link", { name: /Fourth/ }).click();
  await page.getByText(/^Thursday,? 24 December 2026$/).waitFor();
  await page.getByText("Invitation from Greta").waitFor();
  await page.frameLocator("iframe.body").getByText("This message has no text.").waitFor();
});
