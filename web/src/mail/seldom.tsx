// What the mail page seldom needs, and loads when it does: folders are made, renamed, moved and deleted here, labels too, the
// keys are explained, and there is what can be done with a single message. It is a script of its own, so it shares no state with src/mail but what it is given.

import { accountOf, call, MethodError, of, refused, type Made } from "../core/jmap";
import { explain, moved as into, offerUndo, say, type Patch } from "../core/actions";
import { newestFirst } from "../core/list";
import { fetchMailboxes, known, mailbox, mailboxes, shared, type Mailbox } from "../core/mail";
import { go, route, visit } from "../core/route";
import { t } from "../core/text";
import { ask } from "./ask";
import { openMenu, type MenuItem } from "../ui/menu";
import { pick, type Choice } from "../ui/pick";
import { toast } from "../ui/toast";
import { takeBack, tryMany } from "./many";
import { Dialog, show } from "../ui/dialog";
import type { Signal } from "@preact/signals";
import { branches, folderIcons, nameOf } from "./names";

export { FullNote } from "./full";
export { manageLabels, newLabel } from "./labels";
export { leave } from "./leave";
export { changeMany, destroyMany, rowIds } from "./many";
export { messageMenu, printPage } from "./more";
export { suggestions, suggestPeople } from "./suggest";
export { view } from "../read/viewer";

async function set(args: object, id?: string): Promise<Made> {
  const answer = await call("Mailbox/set", { ...of(id), ...args });
  const error = refused(answer);
  if (error) throw error;
  await fetchMailboxes(accountOf(id));
  return answer;
}

function wrong(error: unknown): string {
  const taken = error instanceof MethodError && (error.type === "alreadyExists" || error.detail.properties?.includes("name"));
  return taken ? t("folder_name_taken") : explain(error);
}

const failed = (error: unknown): undefined => void toast(wrong(error), { kind: "error" });

/** alter changes a folder as update says, tells so, and offers to change it back. */
async function alter(m: Mailbox, update: Partial<Mailbox>, said: string): Promise<void> {
  const before = Object.fromEntries(Object.keys(update).map((key) => [key, m[key as keyof Mailbox]]));
  const put = (what: object) => set({ update: { [m.id]: what } }, m.id);
  await put(update).then(() => void offerUndo(said, () => void put(before).catch(failed)), failed);
}

/** createFolder makes a folder and answers its id; undefined, and a word about it, if it cannot be made. */
export async function createFolder(name: string, parentId: string | null): Promise<string | undefined> {
  try {
    const id = await create({ name, parentId, isSubscribed: true });
    offerRemoval(id, name);
    return id;
  } catch (error) {
    return failed(error);
  }
}

async function create(folder: Pick<Mailbox, "name" | "parentId" | "isSubscribed">): Promise<string> {
  return (await set({ create: { f: folder } }, folder.parentId ?? undefined)).created!.f!.id;
}

/** offerRemoval says that a folder was made, and offers to remove it. */
function offerRemoval(id: string, name: string): void {
  offerUndo(t("folder_created", { name }), () => {
    if (route.peek().mailbox === id) visit("inbox");
    void set({ destroy: [id] }, id).catch(failed);
  });
}

/** askName asks for the name of a folder until there is one with which something can be done. */
function askName(title: string, yes: string, run: (name: string) => Promise<unknown>, value?: string): Promise<string | undefined> {
  return ask({
    title, yes, field: { label: t("folder_name"), value, maxLength: 100 },
    run: async (name) => (name ? run(name).then(() => undefined, wrong) : t("folder_name_empty")),
  });
}

/** newFolder asks for the name of a folder and makes it. */
export async function newFolder(parent?: Mailbox): Promise<void> {
  let id = "";
  const name = await askName(parent ? t("new_folder_in", { folder: nameOf(parent) }) : t("new_folder"), t("create"), async (name) => {
    id = await create({ name, parentId: parent?.id ?? null, isSubscribed: true });
  });
  if (name) offerRemoval(id, name);
}

async function rename(m: Mailbox): Promise<void> {
  const put = (name: string) => set({ update: { [m.id]: { name } } }, m.id);
  const name = await askName(t("rename_folder"), t("rename_yes"), async (name) => name !== m.name && put(name), m.name);
  if (name && name !== m.name) offerUndo(t("folder_renamed", { name }), () => void put(m.name).catch(failed));
}

/** below tells whether a folder lies in another one, or is it. */
function below(m: Mailbox, top: Mailbox): boolean {
  for (let at: Mailbox | undefined = m, n = 0; at && n < 100; at = at.parentId ? mailbox(at.parentId) : undefined, n++) if (at.id === top.id) return true;
  return false;
}

/** moveFolder puts a folder into another one, or on top. */
async function moveFolder(m: Mailbox, parentId: string | null): Promise<void> {
  await alter(m, { parentId }, t("folder_moved", { name: m.name }));
}

function moveFolderMenu(m: Mailbox, at: Element): void {
  const items: Choice[] = m.sharer ? [] : [{ label: t("on_top"), icon: "layers", disabled: m.parentId === null, run: () => moveFolder(m, null) }];
  for (const { m: to, depth } of branches(undefined, m.sharer).own) {
    if (below(to, m) || to.myRights.mayCreateChild === false) continue;
    items.push({ label: to.name, icon: "folder", depth, disabled: to.id === m.parentId, run: () => moveFolder(m, to.id) });
  }
  pick(at, items, { label: t("move_folder"), find: t("find_folder") });
}

/** removeFolder deletes a folder; somebody says what becomes of the mail inside. */
async function removeFolder(m: Mailbox): Promise<void> {
  if ([...mailboxes.peek(), ...shared.peek()].some((c) => c.parentId === m.id)) return void toast(t("folder_has_folders", { name: m.name }), { kind: "error" });
  const n = m.totalEmails;
  const answer = await ask({
    title: t("delete_folder_title", { name: m.name }), text: n ? t(m.sharer ? "delete_shared_folder_text" : "delete_folder_text", { n }) : t("delete_folder_empty"), yes: t("delete_folder_yes"), danger: true,
    ...(n && !m.sharer ? { choices: [{ value: "trash", label: t("folder_mail_to_trash") }, { value: "archive", label: t("folder_mail_to_archive") }, { value: "destroy", label: t("folder_mail_destroy") }] } : {}),
  });
  if (!answer) return;
  const shown = route.peek().mailbox === m.id;
  const moved = new Map<string, Patch>();
  const moves = answer === "trash" || answer === "archive";
  if (moves && !(await moveOut(m, mailbox(answer)!.id, moved))) return offerBack(moved);
  try {
    if (shown) visit("inbox");
    await set({ destroy: [m.id], onDestroyRemoveEmails: answer === "destroy" || !!m.sharer }, m.id);
    const said = t("folder_deleted", { name: m.name });
    if (answer === "destroy" || m.sharer) toast(said);
    else offerUndo(said, () => void bringBack(m, moved).catch(failed));
  } catch (error) {
    failed(error);
    offerBack(moved);
  }
}

/** offerBack offers to move mail back into a folder that was not deleted after all. */
function offerBack(moved: Map<string, Patch>): void {
  if (moved.size > 0) offerUndo(t("folder_mail_moved", { n: moved.size }), () => void takeBack(moved));
}

/** moveOut moves all that lies in a folder into another one, and answers whether it did; moved gets what undoes it. */
function moveOut(m: Mailbox, to: string, moved: Map<string, Patch>): Promise<boolean> {
  const list = { filter: { inMailbox: m.id }, sort: newestFirst, collapse: false, accountId: accountOf(m.id) };
  return tryMany({ list, rows: { but: new Set() }, from: m.id }, true, (e) => into(e, to, m.id), (e, back) => moved.set(e.id, back));
}

/** bringBack makes a folder anew that was deleted, and moves the mail back that was in it. */
async function bringBack(m: Mailbox, moved: Map<string, Patch>): Promise<void> {
  const id = await create({ name: m.name, parentId: m.parentId, isSubscribed: m.isSubscribed });
  const renamed = (patch: Patch) => Object.fromEntries(Object.entries(patch).map(([path, value]) => [path.replace(`mailboxIds/${m.id}`, `mailboxIds/${id}`), value]));
  await takeBack(new Map([...moved].map(([email, patch]) => [email, renamed(patch)])));
}

/** folderMenu is the menu of a folder; empty is what deletes all that lies in one. */
export function folderMenu(m: Mailbox, at: Element, empty: (id: string) => unknown): void {
  const empties = (m.role === "trash" || m.role === "junk") && m.totalEmails > 0;
  const items: (MenuItem | false)[] = [
    { label: t("open"), icon: folderIcons[m.role ?? ""] ?? "folder", run: () => visit(m.role ?? m.id) },
    empties && { label: t("empty_now"), icon: "trash-2", danger: true, run: () => empty(m.id) },
    !m.role && m.myRights.mayCreateChild !== false && { label: t("new_folder_inside"), icon: "folder-plus", run: () => newFolder(m) },
    !m.role && m.myRights.mayRename !== false && { label: t("rename"), icon: "pencil", run: () => rename(m) },
    !m.role && m.myRights.mayRename !== false && { label: t("move_folder"), icon: "move", run: () => moveFolderMenu(m, at) },
    !m.role && { label: t(m.sharer ? "leave_folder" : m.isSubscribed ? "hide_in_programs" : "show_in_programs"), icon: m.isSubscribed ? "eye-off" : "eye", run: () => alter(m, { isSubscribed: !m.isSubscribed }, t(m.sharer ? "left_folder" : m.isSubscribed ? "folder_hidden" : "folder_shown", { name: nameOf(m) })) },
    !m.sharer && m.role !== "outbox" && { label: t("share_folder"), icon: "users", run: () => go({ page: "settings", section: "sharing" }) },
    !m.role && m.myRights.mayDelete !== false && { label: t("delete_folder"), icon: "trash-2", danger: true, line: true, run: () => removeFolder(m) },
  ];
  openMenu(at, items.filter((i) => i !== false), nameOf(m));
}

/** Chosen is what can be done with the rows that are chosen. */
interface Chosen {
  can(what: "file" | "remove" | "flag" | "read"): boolean;
  role: string; // of the mailbox that is listed
  read(on: boolean): unknown;
  star(on: boolean): unknown;
  junk(): unknown;
  toInbox(): unknown;
  destroy(): unknown;
  labels(): unknown;
}

/** chosenMenu is the menu of the rows that are chosen. */
export function chosenMenu(at: Element, { can, role, read, star, junk, toInbox, destroy, labels }: Chosen): void {
  const [seen, flags, file] = [!can("read"), !can("flag"), !can("file")];
  openMenu(at, [
    { label: t("mark_read"), icon: "mail-open", keys: "⇧I", disabled: seen, run: () => read(true) },
    { label: t("mark_unread"), icon: "mail", keys: "⇧U", disabled: seen, run: () => read(false) },
    { label: t("star"), icon: "star", keys: "s", disabled: flags, run: () => star(true) },
    { label: t("unstar"), icon: "star", disabled: flags, run: () => star(false) },
    { label: t("label"), icon: "tag", keys: "l", disabled: flags, run: labels },
    role === "junk" ? { label: t("not_junk"), icon: "shield-check", line: true, disabled: file, run: () => toInbox() } : { label: t("junk"), icon: "shield-alert", keys: "!", line: true, disabled: file, run: () => junk() },
    { label: t("delete_for_ever"), icon: "trash-2", danger: true, line: true, disabled: !can("remove"), run: () => destroy() },
  ], t("more"));
}

/** maxCopy is how many emails are copied at once. */
const maxCopy = 100;

/**
 * across puts emails into a mailbox of another account: as copies of their own, and out of the mailbox from if that is given. after is
 * called when that is done, or taken back.
 */
export async function across(ids: string[], to: Mailbox, from: string | undefined, after: () => void, offer: (said: string, undo: () => void) => unknown): Promise<void> {
  try {
    const made = await copy(ids, to.id, from);
    if (made.length < ids.length) toast(t("some_not_copied"), { kind: "error" });
    if (made.length === 0) return;
    const undo = from ? () => copy(made, from, to.id) : () => call("Email/set", { ...of(to.id), destroy: made });
    offer(t(from ? "done_move" : "done_copy", { n: made.length, folder: nameOf(to) }), () => void undo().then(after, say));
  } catch (error) {
    say(error);
  } finally {
    after();
  }
}

/** copy copies emails and answers the ids of the copies; what lies in from alone is gone after that, other emails are taken out of it. */
async function copy(ids: string[], to: string, from?: string): Promise<string[]> {
  const made: string[] = [];
  const once = (id: string) => Object.keys(known(id)?.mailboxIds ?? {}).length < 2;
  for (const move of from ? [true, false] : [false]) {
    const wanted = from ? ids.filter((id) => once(id) === move) : ids;
    for (let at = 0; at < wanted.length; at += maxCopy) {
      const some = wanted.slice(at, at + maxCopy);
      const answer = await call("Email/copy", {
        ...of(to), fromAccountId: accountOf(some[0]), onSuccessDestroyOriginal: move, create: Object.fromEntries(some.map((id) => [id, { id, mailboxIds: { [to]: true } }])),
      });
      const done = Object.keys(answer.created ?? {});
      made.push(...Object.values(answer.created ?? {}).map((copy) => copy.id));
      if (from && !move && done.length) await call("Email/set", { ...of(from), update: Object.fromEntries(done.map((id) => [id, { [`mailboxIds/${from}`]: null }])) });
      const error = refused(answer);
      if (error && made.length === 0) throw error;
    }
  }
  return made;
}

/** lookMenu is the menu of the orders of a list, the first of which is the usual one, and of how tall its rows are. */
export function lookMenu(at: Element, orders: string[], density: Signal<"roomy" | "compact">): void {
  const order = route.peek().order || orders[0];
  openMenu(at, [
    ...orders.map((o, i) => ({ label: t(`order_${o}`), checked: o === order, radio: true, run: () => go({ order: i ? o : "" }, true) })),
    { label: t("compact"), checked: density.peek() === "compact", line: true, run: () => (density.value = density.peek() === "compact" ? "roomy" : "compact") },
  ], t("order_and_look"));
}

/** shortcuts are what the help shows, by groups: all keys that keys.ts knows. */
const shortcuts: [group: string, keys: [keys: string, text: string][]][] = [
  ["keys_go", [["j / ↓", "key_next"], ["k / ↑", "key_previous"], ["PgDn PgUp", "key_page"], ["Home End", "key_ends"], ["o / ↵", "key_open"], ["u / Esc", "key_back"], ["n p", "key_in_conversation"], ["→ ←", "key_in_row"]]],
  ["keys_act", [["e / y", "archive"], ["# / Del", "to_trash"], ["!", "junk"], ["s", "key_star"], ["⇧I", "mark_read"], ["⇧U", "mark_unread"], ["v", "move_to"], ["l", "label"], ["z", "undo"]]],
  ["keys_choose", [["x / ␣", "choose"], ["⇧X / ⇧␣", "key_choose_range"], ["* a / Ctrl A", "choose_all"], ["* n", "key_choose_none"], ["* u", "key_choose_unread"], ["* r", "key_choose_read"], ["* s", "key_choose_starred"]]],
  ["keys_write", [["c", "write"], ["r", "reply"], ["a", "reply_all"], ["f", "forward"]]],
  ["keys_places", [["/", "search"], ["g i", "mailbox_inbox"], ["g s", "mailbox_sent"], ["g d", "mailbox_drafts"], ["g o", "mailbox_outbox"], ["g a", "mailbox_archive"], ["g j", "mailbox_junk"], ["g t", "mailbox_trash"], ["?", "keys"]]],
];

/** showKeys lists the keys; letters tells whether single letters are shortcuts. */
export function showKeys(letters: Signal<boolean>): void {
  void show<void>((close) => (
    <Dialog title={t("keys")} wide onClose={close}>
      <div class="keys">
        {shortcuts.map(([group, keys]) => (
          <section key={group}>
            <h3>{t(group)}</h3>
            <dl>{keys.map(([k, text]) => <div key={k}><dt>{k.split(" ").map((x) => (x === "/" && k.length > 1 ? " / " : <kbd key={x}>{x}</kbd>))}</dt><dd>{t(text)}</dd></div>)}</dl>
          </section>
        ))}
      </div>
      <label class="asking-choice">
        <input type="checkbox" defaultChecked={letters.peek()} onChange={(e) => (letters.value = e.currentTarget.checked)} /> <span>{t("letters_on")}</span>
      </label>
    </Dialog>
  ));
}
