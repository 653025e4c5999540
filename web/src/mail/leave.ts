// Signing out. What the browser keeps for reading without a line goes with it, so what was not sent yet is asked about first.

import { first } from "../core/first";
import { online } from "../core/jmap";
import { kept } from "../core/kept";
import { lookHere, waitingHere } from "../core/outbox";
import { changesWaiting } from "../core/standin";
import { lang, t } from "../core/text";
import { confirm } from "../ui/dialog";
import { toast } from "../ui/toast";

/** leave signs this browser out and leads to the page for signing in. */
export async function leave(): Promise<void> {
  if (!online.peek()) return void toast(t("leave_no_line"), { kind: "error" }); // the server would not hear of it, and whoever comes next be signed in
  await lookHere().catch(() => {}); // a browser that keeps nothing has nothing to lose
  const n = waitingHere.peek().length;
  const changes = changesWaiting.peek();
  const drafts = (await kept("drafts").catch(() => [])).length; // what the server has is not there
  const loses = [n > 0 && t("leave_loses", { n }), drafts > 0 && t("leave_loses_drafts", { n: drafts }), changes > 0 && t("leave_loses_changes", { n: changes })].filter(Boolean).join(" ");
  if (loses && !(await confirm(t("leave"), loses, t("leave"), true))) return;
  const form = Object.assign(document.createElement("form"), { method: "post", action: "/sign-out", hidden: true });
  for (const [name, value] of Object.entries({ csrf: first.csrf, lang })) {
    form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
  }
  document.body.append(form);
  form.submit();
}
