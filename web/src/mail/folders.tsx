import { mailboxes, type Mailbox } from "../core/mail";
import { route } from "../core/route";
import { number, t } from "../core/text";
import { Icon } from "../ui/icon";
import { drawer } from "./state";

const icons: Record<string, string> = {
  inbox: "inbox", drafts: "file-pen", outbox: "clock", sent: "send", archive: "archive", junk: "shield-alert", trash: "trash-2",
};

/** order is how mailboxes with a role stand above all others. */
const order = ["inbox", "drafts", "outbox", "sent", "archive", "junk", "trash"];

/** nameOf is what a mailbox is called: those with a role in the reader's language. */
export function nameOf(m: Mailbox): string {
  return m.role && order.includes(m.role) ? t(`mailbox_${m.role}`) : m.name;
}

export function Folders() {
  const all = mailboxes.value;
  const withRole = order.map((role) => all.find((m) => m.role === role)).filter((m) => m !== undefined);
  const others = all.filter((m) => !withRole.includes(m));
  return (
    <>
      <ul class="folder-list">
        {withRole.map((m) => <Folder key={m.id} m={m} depth={0} />)}
      </ul>
      {others.length > 0 && (
        <>
          <h2 class="folder-head">{t("own_folders")}</h2>
          <ul class="folder-list">{tree(others, null, 0)}</ul>
        </>
      )}
    </>
  );
}

function tree(all: Mailbox[], parent: string | null, depth: number): preact.JSX.Element[] {
  return all
    .filter((m) => m.parentId === parent || (parent === null && !all.some((p) => p.id === m.parentId)))
    .sort((a, b) => a.name.localeCompare(b.name))
    .flatMap((m) => [<Folder key={m.id} m={m} depth={depth} />, ...tree(all, m.id, depth + 1)]);
}

function Folder({ m, depth }: { m: Mailbox; depth: number }) {
  const r = route.value;
  const current = !r.search && (r.mailbox === m.id || r.mailbox === m.role);
  const count = m.role === "drafts" || m.role === "outbox" ? m.totalEmails : m.role === "sent" || m.role === "trash" ? 0 : m.unreadThreads;
  return (
    <li style={{ paddingInlineStart: `${depth}rem` }}>
      <a href={`/mail/${m.role ?? m.id}`} aria-current={current ? "page" : undefined} onClick={() => (drawer.value = false)}>
        <Icon name={icons[m.role ?? ""] ?? "folder"} />
        <span class="folder-name">{nameOf(m)}</span>
        {count > 0 && <span class="count" aria-label={t("unread_count", { n: count })}>{number(count)}</span>}
      </a>
    </li>
  );
}
