// What people do with emails: at once on the screen, then at the server, and taken back where it fails or is undone.

import { batch } from "@preact/signals";
import { call, MethodError, of, SessionError } from "./jmap";
import { email, known, mailbox, type Email } from "./mail";
import { t } from "./text";
import { toast } from "../ui/toast";

/** Patch is a PatchObject of Email/set (RFC 8620 section 5.3) on keywords and mailboxIds. */
export type Patch = Record<string, true | null>;

/** maxSet is fewer than maxObjectsInSet of the server. */
export const maxSet = 250;

/** Known is what must be known of an email to change it. */
export type Known = Pick<Email, "id" | "threadId" | "mailboxIds" | "keywords">;

/** Attempt is what became of patches: what undoes those that were done, and which failed and why. */
interface Attempt {
  undo: Map<string, Patch>;
  failed: Map<string, Patch>;
  reason?: unknown;
}

/** change patches emails of one account, here and at the server, and answers what undoes it. */
export async function change(patches: Map<string, Patch>): Promise<Map<string, Patch>> {
  const { undo, reason } = await attempt(patches);
  if (reason) throw reason;
  return undo;
}

/** attempt does what change does, and tells which failed. */
export async function attempt(patches: Map<string, Patch>): Promise<Attempt> {
  const undo = applyHere(patches);
  const all = [...patches];
  const failed = new Map<string, Patch>();
  let reason: unknown;
  for (let at = 0; at < all.length; at += maxSet) {
    const some = Object.fromEntries(all.slice(at, at + maxSet));
    try {
      const answer = await call("Email/set", { ...of(all[0]![0]), update: some });
      for (const [id, error] of Object.entries(answer.notUpdated ?? {})) {
        failed.set(id, undo.get(id)!);
        reason = new MethodError(error.type, error);
      }
    } catch (error) {
      for (const id of Object.keys(some)) failed.set(id, undo.get(id)!);
      reason = error;
    }
  }
  if (failed.size > 0) applyHere(failed);
  return { undo, failed, reason };
}

/** needed is what of a patch changes an email; undefined if nothing does. */
export function needed(e: Known, patch: Patch): Patch | undefined {
  const real = Object.entries(patch).filter(([path, value]) => has(e, path) !== !!value);
  return real.length ? Object.fromEntries(real) : undefined;
}

function has(e: Known, path: string): boolean {
  const [property, key] = path.split("/") as ["keywords" | "mailboxIds", string];
  return !!e[property][key];
}

function applyHere(patches: Map<string, Patch>): Map<string, Patch> {
  const undo = new Map<string, Patch>();
  batch(() => {
    for (const [id, patch] of patches) {
      const e = known(id);
      const back: Patch = {};
      const after = e && { ...e, keywords: { ...e.keywords }, mailboxIds: { ...e.mailboxIds } };
      for (const [path, value] of Object.entries(patch)) {
        const [property, key] = path.split("/") as ["keywords" | "mailboxIds", string];
        if (!e || has(e, path) !== !!value) back[path] = value ? null : true;
        if (!after) continue;
        if (value) after[property][key] = true;
        else delete after[property][key];
      }
      undo.set(id, back);
      if (after) email(id).value = after;
    }
  });
  return undo;
}

/** keywordPatches set or take away a keyword ("$seen", "$flagged") where that changes anything. */
export function keywordPatches(ids: string[], name: string, on: boolean): Map<string, Patch> {
  const wanted = ids.filter((id) => !!known(id)?.keywords[name] !== on);
  return new Map(wanted.map((id) => [id, { [`keywords/${name}`]: on ? true : null }]));
}

/** mark sets or takes away $flagged or $seen, with a way back; n is how many it is said to be. */
export function mark(ids: string[], name: "$flagged" | "$seen", on: boolean, n = ids.length): Promise<void> {
  const patches = keywordPatches(ids, name, on);
  return patches.size ? withUndo(patches, t(marked[name][+on]!, { n })) : Promise.resolve();
}

/** marked are the words for what was done, for what was taken away first. */
export const marked = { $flagged: ["done_unstar", "done_star"], $seen: ["done_unread", "done_read"] };

/** keyword does it at once, without a word. */
export function keyword(ids: string[], name: string, on: boolean): Promise<Map<string, Patch>> {
  return change(keywordPatches(ids, name, on));
}

/** moved is what puts an email into a mailbox and takes it out of one, or out of all others. */
export function moved(e: Known, to: string, from?: string): Patch {
  const patch: Patch = { [`mailboxIds/${to}`]: true };
  for (const m of Object.keys(e.mailboxIds)) if (m !== to && (from === undefined || m === from)) patch[`mailboxIds/${m}`] = null;
  return patch;
}

/** moving is that for emails that are known, where it changes anything. */
export function moving(ids: string[], to: string, from?: string): Map<string, Patch> {
  const all = ids.map((id) => known(id)).filter((e) => e !== undefined);
  return new Map(all.map((e) => [e.id, moved(e, to, from)] as const).filter(([id, patch]) => needed(known(id)!, patch)));
}

/** done is what can be taken back, the latest last. */
const done: (() => void)[] = [];
const mostDone = 30;
let offered: { close(): void } | undefined;

/** undoLast takes back what was done last, and the next time what was done before that. */
export function undoLast(): void {
  done.at(-1)?.();
}

/** offerUndo says what was done, and offers to take it back. What it answers takes the offer away. */
export function offerUndo(said: string, undo: () => void): () => void {
  const take = () => {
    withdraw();
    undo();
  };
  offered?.close(); // one offer is on the screen
  const shown = toast(said, { action: t("undo"), run: take });
  offered = shown;
  const withdraw = () => {
    shown.close();
    if (done.includes(take)) done.splice(done.indexOf(take), 1);
  };
  done.push(take);
  if (done.length > mostDone) done.shift();
  return withdraw;
}

/** withUndo does something and offers to take it back; after is called once it is taken back, failed where it was not done. */
export async function withUndo(patches: Map<string, Patch>, said: string, after?: () => void, failed = after): Promise<void> {
  const work = change(patches);
  const withdraw = offerUndo(said, () => {
    void work
      .then(change)
      .then(after)
      .catch(say);
  });
  try {
    await work;
  } catch (error) {
    withdraw();
    failed?.();
    say(error);
  }
}

/** explain says in words why something was not done. */
export function explain(error: unknown): string {
  if (error instanceof MethodError && /^forbidden$|ReadOnly$/.test(error.type)) return t("not_allowed");
  if (error instanceof MethodError) return t("not_done", { reason: error.message });
  return t(error instanceof SessionError ? "session_over" : "no_line");
}

/** say tells somebody so. */
export const say = (error: unknown): undefined => void toast(explain(error), { kind: "error" });

/** roleMailbox is the mailbox with a role; one that every account has. */
export function roleMailbox(role: string): string {
  return mailbox(role)?.id ?? "";
}

export const isUnread = (e: Email): boolean => !e.keywords.$seen;
