// What can be done with a whole conversation.

import { roleMailbox } from "../core/actions";
import type { Email } from "../core/mail";
import { go } from "../core/route";
import { t } from "../core/text";
import { archive, junk, read, remove, rowsOf, toInbox } from "../mail/act";
import { labelMenu, moveMenu } from "../mail/menus";
import { can, here, searching } from "../mail/state";
import { IconButton } from "../ui/button";

export function Tools({ thread, emails }: { thread: string; emails: Email[] }) {
  const role = here.value?.role;
  // What was found is answered for as a whole, but what one sent oneself stays where it is.
  const own = ["sent", "drafts"].map(roleMailbox);
  const rows = () => (searching.peek() ? emails.filter((e) => !own.some((m) => e.mailboxIds[m])).map((e) => e.id) : rowsOf(thread));
  const unread = () => {
    go({ thread: "" });
    void read(false, emails.slice(-1).map((e) => e.id));
  };
  return (
    <div class="tools" role="toolbar" aria-label={t("conversation_tools")}>
      {role !== "archive" && can("file") && <IconButton icon="archive" label={t("archive")} keys="e" onClick={() => void archive(rows())} />}
      {can("file") && (role === "junk"
        ? <IconButton icon="shield-check" label={t("not_junk")} onClick={() => void toInbox(rows())} />
        : <IconButton icon="shield-alert" label={t("junk")} keys="!" onClick={() => void junk(rows())} />)}
      {can("remove") && <IconButton icon="trash-2" label={t(role === "trash" || role === "junk" || !can("file") ? "delete_for_ever" : "to_trash")} keys="#" onClick={() => void remove(rows())} />}
      {can("read") && <IconButton icon="mail" label={t("mark_unread")} keys="Shift+U" onClick={unread} />}
      <IconButton icon="folder-input" label={t("move_to")} keys="v" onClick={(e) => moveMenu(e.currentTarget as Element, rows())} />
      {can("flag") && <IconButton icon="tag" label={t("label")} keys="l" onClick={(e) => labelMenu(e.currentTarget as Element, rows())} />}
    </div>
  );
}
