// Somebody signs in, sees the inbox, reads a message, and puts it away and back.

import { anna, assert, deliver, flow, letter } from "../flow.mjs";

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
});
