// Signing out. What the browser keeps for reading without a line goes with it, so what was not sent yet is asked about first.

import { first } from "../core/first";
import { lookHere, waitingHere } from "../core/outbox";
import { lang, t } from "../core/text";
import { confirm } from "../ui/dialog";

/** leave signs this browser out and leads to the page for signing in. */
export async function leave(): Promise<void> {
  await lookHere().catch(() => {}); // a browser that keeps nothing has nothing to lose
  const n = waitingHere.value.length;
  if (n > 0 && !(await confirm(t("leave"), t("leave_loses", { n }), t("leave"), true))) return;
  const form = Object.assign(document.createElement("form"), { method: "post", action: "/sign-out", hidden: true });
  for (const [name, value] of Object.entries({ csrf: first.csrf, lang })) {
    form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
  }
  document.body.append(form);
  form.submit();
}
