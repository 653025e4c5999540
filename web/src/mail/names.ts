import { mailboxes, shared, sharers, type Mailbox } from "../core/mail";
import { t } from "../core/text";

export const folderIcons: Record<string, string> = {
  inbox: "inbox", drafts: "file-pen", outbox: "clock", sent: "send", archive: "archive", junk: "shield-alert", trash: "trash-2",
};

/** roleOrder is how mailboxes with a role stand above all others. */
export const roleOrder = ["inbox", "drafts", "outbox", "sent", "archive", "junk", "trash"];

/** nameOf is what a mailbox is called: those with a role in the reader's language. */
export function nameOf(m: Mailbox): string {
  const role = m.role ?? m.was;
  return role && roleOrder.includes(role) ? t(`mailbox_${role}`) : m.name;
}

/** sharerName is who shares mailboxes, as people call him. */
export function sharerName(account: string): string {
  const a = sharers.value.find((s) => s.id === account);
  return a ? a.name || a.address.split("@")[0]! : "";
}

/** Branch is a mailbox with how deep it lies in the tree. */
export interface Branch {
  m: Mailbox;
  depth: number;
  children: boolean;
}

/** branches are all mailboxes: those with a role first, then the tree of the others. closed are not gone into. Of who shares mailboxes they are those that this account wants to see. */
export function branches(closed?: ReadonlySet<string>, sharer?: string): { roles: Branch[]; own: Branch[] } {
  const all = sharer ? shared.value.filter((m) => m.sharer === sharer && m.isSubscribed) : mailboxes.value;
  const withRole = roleOrder.map((role) => all.find((m) => m.role === role)).filter((m) => m !== undefined);
  const others = new Map<string | null, Mailbox[]>();
  const ids = new Set(all.map((m) => m.id));
  for (const m of all) {
    if (withRole.includes(m)) continue;
    const parent = m.parentId && ids.has(m.parentId) ? m.parentId : null;
    others.set(parent, [...(others.get(parent) ?? []), m]);
  }
  for (const list of others.values()) list.sort((a, b) => nameOf(a).localeCompare(nameOf(b), undefined, { numeric: true }));
  const walk = (parent: string | null, depth: number): Branch[] =>
    (others.get(parent) ?? []).flatMap((m) => [{ m, depth, children: others.has(m.id) }, ...(closed?.has(m.id) ? [] : walk(m.id, depth + 1))]);
  return {
    roles: withRole.flatMap((m) => [{ m, depth: 0, children: others.has(m.id) }, ...(closed?.has(m.id) ? [] : walk(m.id, 1))]),
    own: walk(null, 0),
  };
}
