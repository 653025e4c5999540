// Sending a draft: at once with a while to take it back, or at a time that somebody chose.

import { explain, say } from "../core/actions";
import { first } from "../core/first";
import { call, MethodError, refused, SessionError } from "../core/jmap";
import { mailbox } from "../core/mail";
import { busy, handInAlone, isLater, shelve, unshelve, type HandedIn, type Outgoing } from "../core/outbox";
import { t } from "../core/text";
import { toast } from "../ui/toast";
import { moment } from "./zone";
import { draftsMailbox, type Draft } from "./model";

/** Windows is what sending asks of the windows. */
interface Windows {
  reopen: (d: Draft, refused?: MethodError) => void;
}

/** outgoing is a draft ready to be handed in. */
async function outgoing(d: Draft, at?: Date): Promise<Outgoing> {
  const { email, files } = d.build(await draftsMailbox().catch(() => ""), true);
  const identity = d.identity.peek()!;
  const people = [...d.to.peek(), ...d.cc.peek(), ...d.bcc.peek()];
  return {
    id: d.key, at: Date.now(), email, files, identityId: identity.id, from: identity.email, to: [...new Set(people.map((p) => p.email))],
    hold: first.undo, ...(at ? { sendAt: at.toISOString() } : {}), draftId: d.emailId, ...(d.answering ? { answering: d.answering } : {}), ...(d.instead ? { instead: d.instead } : {}),
    subject: d.subject.peek(), draft: d.record(),
  };
}

/** send hands a draft in. It is on the shelf of the browser before it resolves; whatever comes later is told in toasts. */
export async function send(d: Draft, windows: Windows, at?: Date, zone?: string): Promise<void> {
  await d.settled();
  const o = await outgoing(d, at);
  busy.add(o.id);
  try {
    await shelve(o);
  } catch {
    // A browser that keeps nothing: it goes all the same, or comes back into its window.
  }
  await d.close(true);
  void hand(o, d, windows, at, zone);
}

async function hand(o: Outgoing, d: Draft, windows: Windows, at?: Date, zone?: string): Promise<void> {
  let undone = false;
  let handed: HandedIn | undefined;
  const undo = () => {
    undone = true;
    if (handed) void takeBack(handed, d, windows);
  };
  const going = toast(t(at ? "sched_saving" : "sending"), { action: t("undo"), run: undo, stay: 0 });
  try {
    handed = await handInAlone(o);
    if (undone) return void (await takeBack(handed, d, windows));
    going.close();
    if (at) toast(t("sched_done", { when: moment(at, zone) }), { action: t("undo"), run: undo, stay: 15 });
    else if (first.undo > 0) toast(t("sent_to", { who: recipients(d) }), { action: t("undo"), run: undo, stay: Math.max(1, first.undo - 1), count: true });
    else toast(t("sent_to", { who: recipients(d) }));
  } catch (error) {
    going.close();
    if (isLater(error) && undone) {
      await unshelve(o.id).catch(() => {});
      windows.reopen(d);
      toast(t("undo_unknown"), { kind: "error" });
      return;
    }
    if (isLater(error)) {
      toast(t(error instanceof SessionError ? "sent_signed_out" : "sent_later"), { action: t("undo"), run: () => void unshelve(o.id).then(() => windows.reopen(d)), stay: 15 });
      return;
    }
    windows.reopen(d, error instanceof MethodError ? error : undefined);
    if (!(error instanceof MethodError)) say(error);
  } finally {
    busy.delete(o.id);
  }
}

/** recipients are those of a draft in a few words. */
function recipients(d: Draft): string {
  const all = [...d.to.peek(), ...d.cc.peek(), ...d.bcc.peek()].map((c) => c.name || c.email);
  return all.length > 2 ? t("and_more", { who: all[0]!, n: all.length - 1 }) : all.join(", ");
}

/** takeBack undoes sending: the message is a draft again, in its window. */
async function takeBack(handed: HandedIn, d: Draft, windows: Windows): Promise<void> {
  try {
    await unsend(handed.submissionId);
    await d.becomes(handed.emailId);
    windows.reopen(d);
    toast(t("undone"));
  } catch (error) {
    toast(error instanceof MethodError && error.type === "cannotUnsend" ? t("undo_late") : explain(error), { kind: "error" });
  }
}

/** unsend takes a submission back and puts its email among the drafts. */
async function unsend(submissionId: string): Promise<void> {
  const drafts = await draftsMailbox();
  const others: Record<string, null> = {};
  for (const role of ["sent", "outbox"]) {
    const m = mailbox(role);
    if (m) others[`mailboxIds/${m.id}`] = null;
  }
  const answer = await call("EmailSubmission/set", {
    update: { [submissionId]: { undoStatus: "canceled" } },
    onSuccessUpdateEmail: { [submissionId]: { [`mailboxIds/${drafts}`]: true, ...others, "keywords/$draft": true } },
  });
  const error = refused(answer);
  if (error) throw error;
}
