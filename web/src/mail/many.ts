// Many rows at once: all of a list, all but some, or a long range, most of which nobody ever looked at. They are changed in batches, with a
// message that tells how far that is and ends it, and with a way back; a part of what is loaded when it is needed.

import { attempt, maxSet, needed, offerUndo, say, type Known, type Patch } from "../core/actions";
import { call, MethodError } from "../core/jmap";
import type { List } from "../core/list";
import { t } from "../core/text";
import { toast } from "../ui/toast";
import type { Rows } from "./act";

/** Many are rows of a list. */
interface Many {
  list: Pick<List, "filter" | "sort" | "collapse" | "accountId">;
  rows: Rows;
  /** from is the mailbox that is listed; none where somebody searches. */
  from?: string;
  /** shown is the list on the screen, which stands still meanwhile. */
  shown?: List;
}

const maxQuery = 2000; // ids, fewer than the server answers at most

/** rowIds are the ids of the rows of a list from one up to another, both with it. */
export async function rowIds({ accountId, filter, sort, collapse }: Many["list"], from = 0, to = Infinity): Promise<string[]> {
  const ids = new Set<string>();
  for (let at = from; at <= to; ) {
    const limit = Math.min(maxQuery, to + 1 - at);
    const found = await call("Email/query", { accountId, filter, sort, collapseThreads: collapse, position: at, limit });
    for (const id of found.ids) ids.add(id);
    at += found.ids.length;
    if (found.ids.length < limit) break;
  }
  return [...ids];
}

/** inThreads are the ids of all emails in the conversations of some. */
async function inThreads(emails: string[], accountId?: string): Promise<string[]> {
  const ids = new Set<string>();
  for (let at = 0; at < emails.length; at += maxSet) {
    const rows = call("Email/get", { accountId, ids: emails.slice(at, at + maxSet), properties: ["threadId"] });
    const threads = await call<{ emailIds: string[] }>("Thread/get", { accountId, "#ids": rows.ref("/list/*/threadId") });
    for (const one of threads.list) for (const id of one.emailIds) ids.add(id);
  }
  return [...ids];
}

/** emailIds are the emails that rows stand for; with whole, and where conversations are listed, all of these, some of which may lie elsewhere. */
async function emailIds({ list, rows }: Many, whole: boolean): Promise<string[]> {
  const wide = whole && list.collapse;
  if (Array.isArray(rows)) return wide ? inThreads(rows, list.accountId) : rows;
  const but = new Set(wide ? await inThreads([...rows.but], list.accountId) : rows.but);
  return (await rowIds({ ...list, collapse: list.collapse && !wide })).filter((id) => !but.has(id));
}

/** readThem are those of some emails that lie in the mailbox that is listed. */
async function readThem(ids: string[], { list, from }: Many): Promise<Known[]> {
  const found = await call<Known>("Email/get", { accountId: list.accountId, ids, properties: ["id", "threadId", "mailboxIds", "keywords"] });
  return found.list.filter((e) => !from || e.mailboxIds[from]);
}

/**
 * changeMany changes rows as patchOf says of each email, and offers to take it back; whole tells whether it is meant for all emails of a
 * conversation, or its newest. said says what was done with how many.
 */
export async function changeMany(many: Many, whole: boolean, patchOf: (e: Known) => Patch, said: (n: number) => string): Promise<void> {
  const undo = new Map<string, Patch>();
  const threads = new Map<string, string>();
  await tryMany(many, whole, patchOf, (e, back) => {
    undo.set(e.id, back);
    threads.set(e.id, e.threadId);
  });
  const n = many.list.collapse ? new Set(threads.values()).size : undo.size;
  if (n > 0) offerUndo(said(n), () => void takeBack(undo, many.shown));
}

/** tryMany changes rows, tells of each email that was changed what undoes that, and answers whether it went to the end. */
export function tryMany(many: Many, whole: boolean, patchOf: (e: Known) => Patch, done: (e: Known, back: Patch) => void): Promise<boolean> {
  return inBatches(many.shown, () => emailIds(many, whole), async (ids) => {
    const emails = await readThem(ids, many);
    const patches = new Map(emails.map((e) => [e.id, needed(e, patchOf(e))]).filter((p): p is [string, Patch] => !!p[1]));
    const { undo, failed, reason } = await attempt(patches);
    for (const e of emails) if (undo.has(e.id) && !failed.has(e.id)) done(e, undo.get(e.id)!);
    if (reason && !gone(reason)) throw reason;
  });
}

/** gone tells of an error that an email went meanwhile. */
const gone = (reason: unknown): boolean => reason instanceof MethodError && reason.type === "notFound";

/** takeBack undoes what was changed; what is not back, as somebody ended it or the line went, can be taken back later. */
export async function takeBack(undo: Map<string, Patch>, shown?: List): Promise<void> {
  await inBatches(shown, () => [...undo.keys()], async (ids) => {
    const { reason, failed } = await attempt(new Map(ids.map((id) => [id, undo.get(id)!])));
    for (const id of ids) if (!failed.has(id) || gone(reason)) undo.delete(id);
    if (reason && !gone(reason)) throw reason;
  });
  if (undo.size > 0) offerUndo(t("not_undone", { n: undo.size }), () => void takeBack(undo, shown));
}

/** destroyMany deletes rows for ever; what lies in another mailbox, too, stays there. */
export async function destroyMany(many: Many): Promise<void> {
  const { accountId } = many.list;
  const rows = new Set<string>();
  await inBatches(many.shown, () => emailIds(many, true), async (ids) => {
    const emails = await readThem(ids, many);
    const stays = (e: Known) => many.from && Object.keys(e.mailboxIds).length > 1;
    const answer = await call("Email/set", {
      accountId, destroy: emails.filter((e) => !stays(e)).map((e) => e.id),
      update: Object.fromEntries(emails.filter(stays).map((e) => [e.id, { [`mailboxIds/${many.from}`]: null }])),
    });
    const refused = { ...answer.notDestroyed, ...answer.notUpdated };
    for (const e of emails) if (!refused[e.id]) rows.add(many.list.collapse ? e.threadId : e.id);
    const reason = Object.values(refused).find((r) => r.type !== "notFound");
    if (reason) throw new MethodError(reason.type, reason);
  });
  if (rows.size > 0) toast(t("done_destroy", { n: rows.size }));
}

/** stay asks before the page is left, which would end what is half done. */
const stay = (e: Event) => e.preventDefault();

/** inBatches does something with many emails, a batch after the other, while the list stands still; somebody may end it between two. It answers whether it went to the end. */
async function inBatches(shown: List | undefined, which: () => string[] | Promise<string[]>, work: (ids: string[]) => Promise<unknown>): Promise<boolean> {
  let stopped = false;
  let at = 0;
  let ids: string[] = [];
  let progress: ReturnType<typeof toast> | undefined;
  const tell = () => progress?.far(at, ids.length);
  const soon = setTimeout(() => {
    progress = toast(t("working"), { stay: 0, progress: true, action: t("stop"), run: () => (stopped = true) });
    tell();
  }, 300);
  shown?.hold();
  addEventListener("beforeunload", stay);
  try {
    for (ids = await which(); at < ids.length && !stopped; at += maxSet) {
      tell();
      await work(ids.slice(at, at + maxSet));
    }
    return at >= ids.length;
  } catch (error) {
    say(error);
    return false;
  } finally {
    removeEventListener("beforeunload", stay);
    clearTimeout(soon);
    progress?.close();
    shown?.release();
    void shown?.refresh();
  }
}
