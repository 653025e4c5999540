// A file that is too large for a message goes up in pieces, goes on after a pause and after the connection broke, and travels as a link, which
// its sender can end. What becomes small enough in a zip needs no link.

import { anna, assert, base, bo, flow, until } from "../flow.mjs";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

await flow(async ({ person }) => {
  const page = await person(anna, { expect: ["ERR_INTERNET_DISCONNECTED", "ERR_FAILED", "ERR_ABORTED", "status of 410"] });
  const folder = mkdtempSync(join(tmpdir(), "large-"));
  const path = join(folder, "film från sommaren.mp4");
  const film = randomBytes(60 << 20);
  writeFileSync(path, film);
  try {
    await page.goto(`${base}/mail/inbox?mailto=${encodeURIComponent(`mailto:${bo.address}?subject=Filmen`)}`);
    await page.getByRole("textbox", { name: "Text of the message" }).fill("Här är filmen.");
    // A slow line, so that there is something to see.
    const slow = await page.context().newCDPSession(page);
    await slow.send("Network.enable");
    const line = (offline) => slow.send("Network.emulateNetworkConditions", { offline, latency: 5, downloadThroughput: -1, uploadThroughput: 12 << 20 });
    await line(false);
    const chooser = page.waitForEvent("filechooser");
    await page.getByRole("button", { name: "Attach files" }).click();
    await (await chooser).setFiles(path);
    await page.getByRole("dialog", { name: "Too large for a message" }).getByRole("button", { name: "Send as a link" }).click();
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByText(/paused at \d+ %/).waitFor();
    await page.getByText("Saved", { exact: true }).waitFor();

    // The browser keeps it, so that it goes on after a reload.
    await until(page, () => new Promise((resolve) => {
      const open = indexedDB.open(`postiljon-${JSON.parse(document.getElementById("first").textContent).account.id}`);
      open.onsuccess = () => {
        const all = open.result.transaction("uploads").objectStore("uploads").getAll();
        all.onsuccess = () => resolve(all.result.some((u) => u.file?.size === 60 << 20));
      };
    }));
    await page.goto(`${base}/mail/drafts`);
    await page.getByRole("link", { name: /Filmen/ }).click();
    await page.locator(".file.going").waitFor();
    await line(true);
    await page.locator(".file").getByText(/connection/i).waitFor();
    await line(false);
    await page.getByText(/· link until/).waitFor({ timeout: 40_000 });
    await page.getByRole("textbox", { name: "Text of the message" }).click();
    await page.keyboard.press("Control+Enter");
    await page.getByText("Sending to").waitFor();
    await page.goto(`${base}/mail/outbox`);
    await page.locator(".outbox-row").getByRole("button", { name: "More" }).click();
    await page.getByRole("menuitem", { name: "Send now" }).click();
    await page.getByText("Nothing waits").waitFor();

    const there = await person(bo);
    await there.getByRole("link", { name: /Filmen/ }).click();
    const link = there.frameLocator("iframe.body").getByRole("link", { name: /film från sommaren\.mp4/ }).first();
    const url = await link.getAttribute("href");
    assert.match(url, /\/f\//);
    const landing = await there.context().newPage();
    await landing.goto(new URL(new URL(url).pathname, base).href);
    await landing.getByText("film från sommaren.mp4").first().waitFor();
    await landing.getByText(createHash("sha256").update(film).digest("hex")).waitFor();
    await landing.getByText("63 MB", { exact: true }).waitFor();
    const saved = landing.waitForEvent("download");
    await landing.getByRole("link", { name: /^Download/ }).click();
    assert.ok(film.equals(readFileSync(await (await saved).path())), "the file is another one");

    // Its sender ends the link: the page says so, and what to do.
    await page.goto(`${base}/settings/storage`);
    await page.getByText(/1 time/).waitFor();
    await page.getByRole("button", { name: "End the link" }).click();
    await page.getByText("Nobody can fetch it any more.").waitFor();
    await landing.reload();
    await landing.getByText("The sender has ended this link.").waitFor();
    await landing.getByText("Ask the sender for a new link.").waitFor();

    // A text of the same size fits once it is packed.
    const log = join(folder, "server.log");
    writeFileSync(log, "Samma rad om och om igen.\n".repeat(2.2e6));
    await page.goto(`${base}/mail/inbox?mailto=${encodeURIComponent(`mailto:${bo.address}?subject=Loggen`)}`);
    await page.getByRole("textbox", { name: "Text of the message" }).fill("Loggen.");
    const again = page.waitForEvent("filechooser");
    await page.getByRole("button", { name: "Attach files" }).click();
    await (await again).setFiles(log);
    await page.getByRole("dialog", { name: "Too large for a message" }).getByRole("button", { name: "Compress to zip first" }).click();
    await page.locator(".file.done", { hasText: "server.log.zip" }).waitFor();
    assert.equal(await page.getByText(/· link until/).count(), 0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
