// The security of an account: a second step with codes, a passkey, a password for a program, a new password, and a browser elsewhere
// that is signed out.

import { createHmac } from "node:crypto";
import { anna, assert, base, flow } from "../flow.mjs";
import { imap } from "../imap.mjs";

await flow(async ({ person, browser }) => {
  const page = await person(anna, { expect: ["/api/security/", "/sign-in", "/jmap/events"] }); // refusals that ask who it is are wanted
  await page.goto(`${base}/settings/security`);
  await page.getByRole("heading", { name: "Security" }).waitFor();

  // Two steps: the password is asked for, since signing in was... long ago enough or not; then the code.
  await page.getByRole("switch", { name: "Two steps to sign in" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  if (await dialog.getByText("Is it you?").count()) {
    await dialog.getByLabel("Password").fill(anna.password);
    await dialog.getByRole("button", { name: "Confirm" }).click();
  }
  await page.getByText("The camera does not work?").click();
  const secret = (await page.locator("code.secret").innerText()).replace(/\s/g, "");
  await page.getByLabel("Enter the six digits that it shows").fill("000000");
  await page.getByRole("button", { name: "Turn on" }).click();
  await page.getByRole("alert").waitFor();
  await page.getByLabel("Enter the six digits that it shows").fill(totp(secret));
  await page.getByRole("button", { name: "Turn on" }).click();
  await page.getByText("I have kept them").waitFor();
  const recovery = await page.locator(".codes li").allInnerTexts();
  assert.equal(recovery.length, 10);
  await page.getByRole("button", { name: "I have kept them" }).click();
  await page.getByText("10 codes are left").waitFor();

  // A program gets a password of its own.
  await page.getByRole("button", { name: "New password for a program" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("Phone");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  const made = await page.getByRole("dialog").locator("code.secret").innerText();
  assert.ok(made.length >= 12, made);
  await page.getByRole("dialog").getByRole("button", { name: "Done" }).click();
  const phone = await imap({ address: anna.address, password: made.replace(/\s/g, "") });
  assert.match((await phone("SELECT INBOX")).join(" "), /EXISTS/);
  // Its holder's own password does not do for a program any more; it is said what does.
  await assert.rejects(imap(anna), /app password|password of its own/i);

  // Elsewhere the code is asked for; one of those for emergencies does, once.
  const other = await browser.newContext({ ignoreHTTPSErrors: true, locale: "en-GB" });
  const there = await other.newPage();
  await there.goto(`${base}/sign-in?next=/mail/inbox`);
  await there.fill("input[name=address]", anna.address);
  await there.fill("input[name=password]", anna.password);
  await there.click("button[type=submit]");
  await useRecovery(there, recovery[0]);
  await there.waitForURL("**/mail/inbox");

  // Here it is seen and signed out; there it is said, and nothing else is lost.
  await page.reload();
  await page.getByText("9 codes are left").waitFor();
  const refused = page.locator(".sign-ins .warn").filter({ hasText: "IMAP" }).first();
  await refused.getByText("app password").first().waitFor();
  assert.match(await page.locator(".sign-ins .good").filter({ hasText: "IMAP" }).first().innerText(), /Signed in/);
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await page.getByText("Signed out", { exact: true }).waitFor();
  await there.getByText("You have been signed out").waitFor();
  await other.close();

  // A passkey signs in by itself. It belongs to a name, which 127.0.0.1 is not.
  const named = base.replace("127.0.0.1", "localhost");
  const key = await person(anna, { signIn: false, expect: ["/api/security/", "/sign-in", "/m/", "/jmap/"] });
  const devtools = await key.context().newCDPSession(key);
  await devtools.send("WebAuthn.enable");
  const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", {
    options: { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  });
  await key.goto(`${named}/sign-in?next=/settings/security`);
  await key.fill("input[name=address]", anna.address);
  await key.fill("input[name=password]", anna.password);
  await key.click("button[type=submit]");
  await useRecovery(key, recovery[1]);
  await key.waitForURL("**/settings/security");
  await key.getByRole("button", { name: "Add a passkey" }).click();
  await key.getByText("The passkey is there").waitFor();
  // Who must prove again who it is may show it; if it is not shown, that is said, not that the line is gone.
  await key.route("**/api/security/app-passwords", (r) => r.fulfill({ status: 403, json: { cause: "auth.confirm-first", title: "", text: "", reauthenticate: true } }), { times: 1 });
  await devtools.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false });
  await key.getByRole("button", { name: "New password for a program" }).click();
  await key.getByRole("dialog").getByLabel("Name").fill("Tablet");
  await key.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await key.getByRole("button", { name: "Use a passkey instead" }).click();
  await key.getByText("The passkey was not used.").waitFor();
  await devtools.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: true });
  await key.getByRole("button", { name: "Use a passkey instead" }).click();
  await key.getByRole("dialog").getByRole("button", { name: "Done" }).click();
  // A code of the app signs in as well, once.
  const next = totp(secret, 1);
  for (const fresh of [true, false]) {
    const app = await person(anna, { signIn: false, expect: ["/sign-in"] });
    await app.goto(`${base}/sign-in?next=/mail/inbox`);
    await app.fill("input[name=address]", anna.address);
    await app.fill("input[name=password]", anna.password);
    await app.click("button[type=submit]");
    await app.fill("input[name=code]", next);
    await app.press("input[name=code]", "Enter");
    await (fresh ? app.waitForURL("**/mail/inbox") : app.getByText(/used|not right/).first().waitFor());
    await app.context().close();
  }
  phone.close();

  await key.context().clearCookies();
  // The device of this test shows it as soon as the page asks, as a browser does when it is chosen from the list.
  await key.goto(`${named}/sign-in?next=/mail/inbox`);
  await key.waitForURL("**/mail/inbox");
});

/** useRecovery answers the question for the second step with a code for emergencies. */
async function useRecovery(page, code) {
  await page.locator("input[name=code]").waitFor();
  if (!(await page.locator("input[name=recovery]").isVisible())) await page.locator("summary").first().click();
  await page.fill("input[name=recovery]", code);
  await page.press("input[name=recovery]", "Enter");
}

/** totp is the code of RFC 6238 for now, or so many steps later. */
function totp(secret, later = 0) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  let bits = "";
  for (const c of secret.toUpperCase()) bits += alphabet.indexOf(c).toString(2).padStart(5, "0");
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + later));
  const mac = createHmac("sha1", key).update(counter).digest();
  const at = mac.at(-1) & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}
