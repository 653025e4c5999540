// The menus of rows: what can be done with them, where to, which labels.

import { labelCalled, labelName, labels, labelStyle } from "../core/labels";
import { known, mailboxes, sharers } from "../core/mail";
import { isUnread } from "../core/actions";
import { t } from "../core/text";
import { compose } from "../compose/open";
import { openMenu, type MenuItem } from "../ui/menu";
import { pick, type Choice } from "../ui/pick";
import { archive, atHand, chosen, count, junk, label, moveTo, read, remove, star, toInbox, type Rows } from "./act";
import { later } from "./later";
import { branches, folderIcons, nameOf, sharerName } from "./names";
import { can, here, isSelected, selectedCount } from "./state";

type Place = Element | { x: number; y: number };

/** moveMenu asks where rows go; a folder that is not there yet is made. */
export function moveMenu(at: Place, rows: Rows = chosen()): void {
  if (count(rows) === 0) return;
  const { roles, own } = branches();
  const now = here.peek();
  const items = [...roles, ...own, ...sharers.peek().flatMap((s) => branches(undefined, s.id).own)]
    .filter(({ m }) => !/^(outbox|drafts|sent)$/.test(m.role ?? "") && m.myRights.mayAddItems !== false && m !== now && (Array.isArray(rows) || m.sharer === now?.sharer))
    .map(({ m, depth }): Choice => ({ label: m.sharer ? `${nameOf(m)} · ${sharerName(m.sharer)}` : nameOf(m), icon: folderIcons[m.role ?? ""] ?? "folder", depth, run: () => moveTo(m.id, rows) }));
  pick(at, items, {
    label: t("move_to"), find: t("find_folder"),
    other: (typed) => ({
      label: t("create_folder_called", { name: typed }), icon: "folder-plus",
      run: async () => {
        const id = await later((part) => part.createFolder(typed, null));
        if (id) await moveTo(id, rows);
      },
    }),
  });
}

/** labelMenu gives labels and takes them away. */
export function labelMenu(at: Place, rows: Rows = chosen()): void {
  if (count(rows) === 0) return;
  const emails = atHand(rows);
  const items = labels.peek().map(({ keyword: k }): Choice => {
    const on = emails.length > 0 && emails.every((e) => e.keywords[k]);
    return { label: labelName(k), checked: on, swatch: labelStyle(k), run: () => label(k, !on, rows) };
  });
  pick(at, items, {
    label: t("label"), find: t("find_label"),
    other: (typed) => ({
      label: t("create_label_called", { name: typed }), icon: "plus",
      run: async () => {
        const k = labelCalled(typed) ?? (await later((part) => part.newLabel(typed)));
        if (k) await label(k, true, rows);
      },
    }),
    last: { label: t("labels_manage"), icon: "settings", run: () => later((part) => part.manageLabels()) },
  });
}

/** rowMenu is the menu of a row, or of all that are chosen if it is one of them. */
export function rowMenu(event: MouseEvent, id: string): void {
  if (event.shiftKey && event.button === 2) return; // the browser's own
  event.preventDefault();
  const rows: Rows = isSelected(id) && selectedCount.peek() > 0 ? chosen() : [id];
  const e = known(id);
  if (!e) return;
  const row = event.currentTarget as Element;
  const at: Place = event.clientX || event.clientY ? { x: event.clientX, y: event.clientY } : row;
  const emails = atHand(rows);
  const unread = emails.length === 0 || emails.some(isUnread);
  const starred = emails.some((x) => x.keywords.$flagged);
  const role = here.peek()?.role;
  const one = count(rows) === 1;
  const items: (MenuItem | false)[] = [
    one && { label: t("reply"), icon: "reply", keys: "r", run: () => compose({ kind: "reply", emailId: id }) },
    one && { label: t("reply_all"), icon: "reply-all", keys: "a", run: () => compose({ kind: "replyAll", emailId: id }) },
    one && { label: t("forward"), icon: "forward", keys: "f", run: () => compose({ kind: "forward", emailId: id }) },
    role !== "archive" && can("file") && { label: t("archive"), icon: "archive", keys: "e", line: one, run: () => archive(rows) },
    (role === "archive" || role === "trash") && { label: t("to_inbox"), icon: "inbox", run: () => toInbox(rows) },
    can("remove") && { label: t(role === "trash" || role === "junk" || !can("file") ? "delete_for_ever" : "to_trash"), icon: "trash-2", keys: "#", run: () => remove(rows) },
    can("file") && (role === "junk" ? { label: t("not_junk"), icon: "shield-check", run: () => toInbox(rows) } : { label: t("junk"), icon: "shield-alert", keys: "!", run: () => junk(rows) }),
    can("read") && { label: t(unread ? "mark_read" : "mark_unread"), icon: unread ? "mail-open" : "mail", line: true, run: () => read(unread, rows) },
    can("flag") && { label: t(starred ? "unstar" : "star"), icon: "star", keys: "s", run: () => star(!starred, rows) },
    mailboxes.peek().length > 0 && { label: t("move_to"), icon: "folder-input", keys: "v", run: () => moveMenu(at, rows) },
    can("flag") && { label: t("label"), icon: "tag", keys: "l", run: () => labelMenu(at, rows) },
  ];
  openMenu(at, items.filter((i) => i !== false), t("more"));
}
