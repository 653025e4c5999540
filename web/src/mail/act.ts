// What is done with rows: with those that are chosen, else with the one the cursor is on, else with what is open.

import { accountOf } from "../core/jmap";
import { newestFirst, type List } from "../core/list";
import { keywordPatches, mark, marked, moved, offerUndo, roleMailbox, withUndo, type Known, type Patch } from "../core/actions";
import { inThread, known, mailbox, thread, type Email } from "../core/mail";
import { go, narrow, route } from "../core/route";
import { t } from "../core/text";
import { confirm } from "../ui/dialog";
import { toast } from "../ui/toast";
import { later } from "./later";
import { nameOf } from "./names";
import { can, cursor, here, list, nothing, searching, selection } from "./state";

/** Rows are what something is done with: rows by their ids, or all of the list but some. */
export type Rows = string[] | { but: ReadonlySet<string> };

/** count is how many rows these are. */
export const count = (rows: Rows): number => (Array.isArray(rows) ? rows.length : (list.peek()?.total.peek() ?? 0) - rows.but.size);

/** chosen are the rows that the keys and the bar act on. */
export function chosen(): Rows {
  const s = selection.peek();
  if (s.all) return { but: s.ids };
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
function emailsOf(rows: string[]): Email[] {
  const from = here.peek()?.id;
  const found = new Map<string, Email>();
  for (const id of rows) {
    const e = known(id);
    if (!e) continue;
    if (searching.peek() || !from || e.mailboxIds[from]) found.set(id, e);
    if (searching.peek()) continue;
    for (const other of inThread(e.threadId)) if (!from || other.mailboxIds[from]) found.set(other.id, other);
  }
  return [...found.values()];
}

/** few tells whether all of the rows are known here, so that what is done with them is seen at once; others are changed in batches. */
const few = (rows: Rows): rows is string[] => Array.isArray(rows) && rows.every(known);

/** atHand are the emails that rows stand for, if all of them are known here. */
export const atHand = (rows: Rows): Email[] => (few(rows) ? emailsOf(rows) : []);

/** many are rows for what is done in batches. */
const many = (l: List, rows: Rows) => ({ list: l, shown: l, rows, from: searching.peek() ? undefined : here.peek()?.id });

/** counted is a number of rows in words. */
export const counted = (n: number): string => t(searching.peek() ? "messages_n" : "conversations", { n });

/** leave takes rows out of the list, and what is open and the cursor on to the row after them; what it answers puts them back. */
function leave(rows: string[]): () => void {
  const l = list.peek();
  if (!l) return () => {};
  const gone = new Set(rows);
  const next = after(l, gone);
  const open = route.peek().thread;
  const closing = open !== "" && rows.some((id) => known(id)?.threadId === open);
  const back = l.drop(rows);
  selection.value = nothing;
  if (gone.has(cursor.peek()) || closing) cursor.value = next ?? "";
  if (closing) go({ thread: (!narrow() && next && known(next)?.threadId) || "" }, !narrow());
  return back;
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
  if (!target || count(rows) === 0) return;
  const from = searching.peek() ? undefined : here.peek()?.id;
  const l = list.peek();
  if (!l || from === target.id) return;
  if (Array.isArray(rows) && accountOf(target.id) !== l.accountId) {
    const ids = emailsOf(rows).map((e) => e.id);
    if (from && can("remove")) leave(rows);
    return void later((part) => part.across(ids, target, from && can("remove") ? from : undefined, () => void l.refresh(), offerUndo));
  }
  if (!allowed("remove")) return;
  const known = from && ["archive", "trash", "junk", "inbox"].includes(target.role ?? "");
  const said = (n: number) => (known ? t(`moved_to_${target.role}`, { n }) : t("done_move", { n, folder: nameOf(target) }));
  const keywords: Patch = target.role === "junk" ? { "keywords/$junk": true, "keywords/$notjunk": null } : here.peek()?.role === "junk" ? { "keywords/$junk": null, "keywords/$notjunk": true } : {};
  const patchOf = (e: Known): Patch => ({ ...moved(e, target.id, from), ...keywords });
  if (!few(rows)) return changeAll(rows, true, patchOf, said);
  const patches = new Map(emailsOf(rows).map((e) => [e.id, patchOf(e)]));
  let back: (() => void) | undefined;
  if (!searching.peek() || target.role === "trash" || target.role === "junk") back = leave(rows);
  else selection.value = nothing;
  await withUndo(patches, said(rows.length), () => void l.refresh(), back);
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
  const l = list.peek();
  if (!l || count(rows) === 0 || !allowed("remove")) return;
  const shared = !can("file");
  if (!(await confirm(t("delete_for_ever_title", { what: counted(count(rows)) }), t(shared ? "delete_shared_text" : "delete_for_ever_text"), t("delete_for_ever"), true))) return;
  if (few(rows)) leave(rows);
  selection.value = nothing;
  await later((part) => part.destroyMany(many(l, rows)));
}

/** empty deletes all that lies in the trash or among junk. */
export async function empty(id: string): Promise<void> {
  const m = mailbox(id);
  if (!m || m.totalEmails === 0) return;
  if (!(await confirm(t("empty_title", { folder: nameOf(m) }), t("empty_text", { n: m.totalEmails }), t("delete_for_ever"), true))) return;
  const all = { filter: { inMailbox: id }, sort: newestFirst, collapse: false, accountId: accountOf(id) };
  await later((part) => part.destroyMany({ list: all, rows: { but: new Set() }, from: id, shown: list.peek() }));
}

/** star marks rows with a star, or takes it away. Of a conversation the newest email gets it. */
export async function star(on: boolean, rows: Rows = chosen()): Promise<void> {
  if (!allowed("flag")) return;
  if (!few(rows)) return setAll(rows, !on, "$flagged", on, marked.$flagged[+on]!);
  return mark(on ? rows : emailsOf(rows).map((e) => e.id), "$flagged", on, rows.length);
}

/** read marks rows as read, or the newest email of each as not read. */
export async function read(on: boolean, rows: Rows = chosen()): Promise<void> {
  if (!allowed("read")) return;
  if (!few(rows)) return setAll(rows, on, "$seen", on, marked.$seen[+on]!);
  return mark(on ? emailsOf(rows).map((e) => e.id) : rows, "$seen", on, rows.length);
}

/** label gives rows a label, or takes it away. */
export async function label(keyword: string, on: boolean, rows: Rows = chosen()): Promise<void> {
  if (!allowed("flag")) return;
  const said = on ? "done_label" : "done_unlabel";
  if (!few(rows)) return setAll(rows, true, keyword, on, said);
  return withUndo(keywordPatches(emailsOf(rows).map((e) => e.id), keyword, on), t(said, { n: rows.length }));
}

function setAll(rows: Rows, whole: boolean, keyword: string, on: boolean, said: string): Promise<void> {
  return changeAll(rows, whole, () => ({ [`keywords/${keyword}`]: on ? true : null }), (n) => t(said, { n }));
}

/** changeAll changes rows that were never looked at, too. */
async function changeAll(rows: Rows, whole: boolean, patchOf: (e: Known) => Patch, said: (n: number) => string): Promise<void> {
  const l = list.peek();
  if (!l) return;
  selection.value = nothing;
  await later((part) => part.changeMany(many(l, rows), whole, patchOf, said));
}
