// What can be done with a whole conversation.

import { keyword, moving, roleMailbox, withUndo } from "../core/actions";
import { mailboxes, type Email } from "../core/mail";
import { go } from "../core/route";
import { t } from "../core/text";
import { nameOf } from "../mail/names";
import { here, list } from "../mail/state";
import { IconButton } from "../ui/button";
import { MenuButton } from "../ui/menu";

export function Tools({ thread, emails }: { thread: string; emails: Email[] }) {
  const role = here.value?.role;
  const put = (to: string, said: string) => {
    const from = here.peek()?.id;
    const ids = emails.filter((e) => !from || e.mailboxIds[from]).map((e) => e.id);
    const l = list.peek();
    l?.drop(ids);
    go({ thread: "" });
    void withUndo(moving(ids.length ? ids : emails.map((e) => e.id), to, from), said, () => void l?.refresh());
  };
  const unread = () => {
    go({ thread: "" });
    void keyword(emails.slice(-1).map((e) => e.id), "$seen", false).catch(() => {});
  };
  const elsewhere = () =>
    mailboxes.value
      .filter((m) => m.id !== here.value?.id && m.role !== "outbox" && m.role !== "drafts")
      .map((m) => ({ label: nameOf(m), run: () => put(m.id, t("done_moved", { name: nameOf(m) })) }));
  return (
    <div class="tools" role="toolbar" aria-label={t("conversation_tools")} data-thread={thread}>
      {role !== "archive" && <IconButton icon="archive" label={t("archive")} keys="e" onClick={() => put(roleMailbox("archive"), t("done_archive"))} />}
      {role === "junk"
        ? <IconButton icon="inbox" label={t("not_junk")} onClick={() => put(roleMailbox("inbox"), t("done_not_junk"))} />
        : <IconButton icon="shield-alert" label={t("junk")} keys="!" onClick={() => put(roleMailbox("junk"), t("done_junk"))} />}
      {role !== "trash" && <IconButton icon="trash-2" label={t("to_trash")} keys="#" onClick={() => put(roleMailbox("trash"), t("done_trash"))} />}
      <IconButton icon="mail" label={t("mark_unread")} keys="Shift+U" onClick={unread} />
      <MenuButton icon="folder-input" label={t("move_to")} items={elsewhere} />
    </div>
  );
}
