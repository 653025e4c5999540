// What is done with rows: with those that are chosen, else with the one the cursor is on, else with what is open.

import { accountOf, call, of } from "../core/jmap";
import type { Filter, List } from "../core/list";
import { change, explain, keywordPatches, mark, marked, maxSet, moving, offerUndo, roleMailbox, withUndo, type Patch } from "../core/actions";
import { inThread, known, mailbox, thread, type Email } from "../core/mail";
import { go, narrow, route } from "../core/route";
import { t } from "../core/text";
import { confirm } from "../ui/dialog";
import { toast } from "../ui/toast";
import { later } from "./later";
import { nameOf } from "./names";
import { can, cursor, here, isSelected, list, nothing, searching, selectedCount, selection } from "./state";

/** rows are the ids of the rows that something is done with; "all" are those of the whole list. */
export type Rows = string[] | "all";

/** chosen are the rows that the keys and the bar act on. */
export function chosen(): Rows {
  const s = selection.peek();
  if (s.all) return s.ids.size === 0 ? "all" : (list.peek()?.known().filter(isSelected) ?? []);
  if (s.ids.size > 0) return [...s.ids];
  const open = route.peek().thread;
  if (open) return rowsOf(open);
  return cursor.peek() ? [cursor.peek()] : [];
}

/** rowsOf are the rows of a conversation: the one that is listed, else its newest email. */
export function rowsOf(id: string): string[] {
  const row = list.peek()?.known().find((r) => known(r)?.threadId === id);
  return row ? [row] : thread(id).peek().slice(-1);
}

/** emailsOf are the emails that rows stand for: of conversations, those that lie in the mailbox that is shown. */
export function emailsOf(rows: string[]): Email[] {
  const from = here.peek()?.id;
  const found = new Map<string, Email>();
  for (const id of rows) {
    const e = known(id);
    if (!e) continue;
    found.set(id, e);
    if (searching.peek()) continue;
    for (const other of inThread(e.threadId)) if (!from || other.mailboxIds[from]) found.set(other.id, other);
  }
  return [...found.values()];
}

/** leave takes rows out of the list, and what is open and the cursor on to the row after them. */
function leave(rows: string[]): void {
  const l = list.peek();
  if (!l) return;
  const gone = new Set(rows);
  const next = after(l, gone);
  const open = route.peek().thread;
  const closing = open !== "" && rows.some((id) => known(id)?.threadId === open);
  l.drop(rows);
  selection.value = nothing;
  if (gone.has(cursor.peek()) || closing) cursor.value = next ?? "";
  if (closing) go({ thread: (!narrow() && next && known(next)?.threadId) || "" }, !narrow());
}

/** after is the row that comes after those that go, or else before them. */
function after(l: List, gone: Set<string>): string | undefined {
  const at = [...gone].map((id) => l.indexOf(id)).filter((i) => i >= 0);
  if (at.length === 0) return undefined;
  const total = l.total.peek() ?? 0;
  for (let i = Math.max(...at) + 1; i < total; i++) {
    const id = l.at(i);
    if (id === undefined) break;
    if (!gone.has(id)) return id;
  }
  for (let i = Math.min(...at) - 1; i >= 0; i--) {
    const id = l.at(i);
    if (id !== undefined && !gone.has(id)) return id;
  }
  return undefined;
}

/** allowed tells whether something may be done here, and says so where not. */
function allowed(what: Parameters<typeof can>[0]): boolean {
  const yes = can(what);
  if (!yes) toast(t("not_allowed"), { kind: "error" });
  return yes;
}

/** moveTo moves rows into a mailbox. */
export async function moveTo(to: string, rows: Rows = chosen()): Promise<void> {
  const target = mailbox(to);
  if (!target || rows.length === 0) return;
  const from = searching.peek() ? undefined : here.peek()?.id;
  if (from === target.id) return;
  const l = list.peek();
  if (rows !== "all" && l && accountOf(target.id) !== l.accountId) {
    const ids = emailsOf(rows).map((e) => e.id);
    if (from && can("remove")) leave(rows);
    return void later((part) => part.across(ids, target, from && can("remove") ? from : undefined, () => void l.refresh(), offerUndo));
  }
  if (!allowed("remove")) return;
  const said = (n: number) => (["archive", "trash", "junk", "inbox"].includes(target.role ?? "") ? t(`moved_to_${target.role}`, { n }) : t("done_move", { n, folder: nameOf(target) }));
  const keywords: Patch = target.role === "junk" ? { "keywords/$junk": true, "keywords/$notjunk": null } : here.peek()?.role === "junk" ? { "keywords/$junk": null, "keywords/$notjunk": true } : {};
  if (rows === "all") {
    return everything(said, (e) => {
      const patch: Patch = { [`mailboxIds/${target.id}`]: true };
      for (const m of Object.keys(e.mailboxIds)) if (m !== target.id && (!from || m === from)) patch[`mailboxIds/${m}`] = null;
      return { ...patch, ...keywords };
    });
  }
  const patches = moving(emailsOf(rows).map((e) => e.id), target.id, from);
  for (const patch of patches.values()) Object.assign(patch, keywords);
  if (!searching.peek() || target.role === "trash" || target.role === "junk") leave(rows);
  else selection.value = nothing;
  await withUndo(patches, said(rows.length), () => void l?.refresh());
}

const file = (role: string) => async (rows?: Rows): Promise<void> => {
  if (allowed("file")) await moveTo(roleMailbox(role), rows);
};
export const archive = file("archive");
export const junk = file("junk");
export const toInbox = file("inbox");

/** remove puts rows into the trash; those that lie there or among junk are deleted for ever, once somebody said so. */
export function remove(rows: Rows = chosen()): Promise<void> {
  const role = here.peek()?.role;
  if (!can("file") || (!searching.peek() && (role === "trash" || role === "junk"))) return destroy(rows);
  return moveTo(roleMailbox("trash"), rows);
}

/** destroy deletes rows for ever. */
export async function destroy(rows: Rows = chosen()): Promise<void> {
  if (rows.length === 0 || !allowed("remove")) return;
  const n = rows === "all" ? selectedCount.peek() : rows.length;
  if (!(await confirm(t("delete_for_ever_title", { n }), t(can("file") ? "delete_for_ever_text" : "delete_shared_text"), t("delete_for_ever"), true))) return;
  if (rows === "all") return destroyAll(list.peek()!.filter);
  const ids = emailsOf(rows).map((e) => e.id);
  const l = list.peek();
  leave(rows);
  try {
    for (let at = 0; at < ids.length; at += maxSet) await call("Email/set", { ...of(ids[0]), destroy: ids.slice(at, at + maxSet) });
    toast(t("done_destroy", { n }));
  } catch (error) {
    toast(explain(error), { kind: "error" });
  }
  void l?.refresh();
}

/** empty deletes all that lies in the trash or among junk. */
export async function empty(id: string): Promise<void> {
  const m = mailbox(id);
  if (!m || m.totalEmails === 0) return;
  if (await confirm(t("empty_title", { folder: nameOf(m) }), t("empty_text", { n: m.totalEmails }), t("delete_for_ever"), true)) await destroyAll({ inMailbox: m.id });
}

/** star marks rows with a star, or takes it away. Of a conversation the newest email gets it. */
export async function star(on: boolean, rows: Rows = chosen()): Promise<void> {
  if (!allowed("flag")) return;
  if (rows === "all") return setAll("$flagged", on, marked.$flagged[+on]!);
  return mark(on ? rows : emailsOf(rows).map((e) => e.id), "$flagged", on, rows.length);
}

/** read marks rows as read, or the newest email of each as not read. */
export async function read(on: boolean, rows: Rows = chosen()): Promise<void> {
  if (!allowed("read")) return;
  if (rows === "all") return setAll("$seen", on, marked.$seen[+on]!);
  return mark(on ? emailsOf(rows).map((e) => e.id) : rows, "$seen", on, rows.length);
}

/** label gives rows a label, or takes it away. */
export async function label(keyword: string, on: boolean, rows: Rows = chosen()): Promise<void> {
  if (!allowed("flag")) return;
  if (rows === "all") return setAll(keyword, on, on ? "done_label" : "done_unlabel");
  return withUndo(keywordPatches(emailsOf(rows).map((e) => e.id), keyword, on), t(on ? "done_label" : "done_unlabel", { n: rows.length }));
}

function setAll(keyword: string, on: boolean, said: string): Promise<void> {
  return everything((n) => t(said, { n }), (e) => (!!e.keywords[keyword] === on ? undefined : { [`keywords/${keyword}`]: on ? true : null }), { [on ? "notKeyword" : "hasKeyword"]: keyword });
}

type Known = Pick<Email, "id" | "mailboxIds" | "keywords">;

const maxQuery = 2000; // ids, fewer than the server answers at most
const maxGet = 500;

/**
 * everything changes all emails of the list, or those of them that also are as which says, also where they were never
 * looked at: in batches, with a message that tells how far it is and ends it, and with a way back.
 */
async function everything(said: (n: number) => string, patchOf: (e: Known) => Patch | undefined, which?: Filter): Promise<void> {
  const l = list.peek();
  if (!l) return;
  selection.value = nothing;
  const undo = new Map<string, Patch>();
  const filter = which ? { operator: "AND", conditions: [l.filter, which] } : l.filter;
  await batches(l, () => idsOf(filter, l.accountId), async (ids) => {
    for (let at = 0; at < ids.length; at += maxGet) {
      const found = await call("Email/get", { ...of(ids[0]), ids: ids.slice(at, at + maxGet), properties: ["id", "mailboxIds", "keywords"] });
      const patches = new Map<string, Patch>();
      for (const e of found.list as Known[]) {
        const patch = patchOf(e);
        if (patch) patches.set(e.id, patch);
      }
      for (const [id, back] of await change(patches)) undo.set(id, back);
    }
  });
  if (undo.size > 0) offerUndo(said(undo.size), () => void batches(l, () => [...undo.keys()], (ids) => change(new Map(ids.map((id) => [id, undo.get(id)!])))));
}

async function destroyAll(filter: Filter): Promise<void> {
  const l = list.peek();
  if (!l) return;
  selection.value = nothing;
  let n = 0;
  await batches(l, () => idsOf(filter, l.accountId), async (ids) => {
    await call("Email/set", { ...of(ids[0]), destroy: ids });
    n += ids.length;
  });
  toast(t("done_destroy", { n }));
}

/** idsOf are the ids of all emails that a filter lets through. */
async function idsOf(filter: Filter, accountId?: string): Promise<string[]> {
  const ids = new Set<string>();
  for (;;) {
    const found = await call("Email/query", { accountId, filter, sort: [{ property: "receivedAt" }], position: ids.size, limit: maxQuery });
    for (const id of found.ids) ids.add(id);
    if (found.ids.length < maxQuery) return [...ids];
  }
}

/** batches does something with many emails, a batch after the other, while the list stands still. */
async function batches(l: List, which: () => string[] | Promise<string[]>, work: (ids: string[]) => Promise<unknown>): Promise<void> {
  let stopped = false;
  const progress = toast(t("working"), { stay: 0, action: t("stop"), run: () => (stopped = true) });
  l.hold();
  try {
    const ids = await which();
    for (let at = 0; at < ids.length && !stopped; at += maxSet) {
      await work(ids.slice(at, at + maxSet));
      progress.say(t("working_on", { n: Math.min(at + maxSet, ids.length), total: ids.length }));
    }
  } catch (error) {
    toast(explain(error), { kind: "error" });
  } finally {
    progress.close();
    l.release();
    void l.refresh();
  }
}
