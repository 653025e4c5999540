// What the account wants to notice of mail that comes: chosen once, at the server (internal/alerts), for all its browsers.

import { computed, signal } from "@preact/signals";
import { first, whenTold } from "./first";
import { api } from "./jmap";
import { mailboxes, shared, type Mailbox } from "./mail";

/** Sound is what new mail sounds like: "device" leaves it to the notifications. */
export type Sound = "device" | "bell" | "rise" | "wood" | "none";

/** Badge is what stands on the icon and the tab: how much is unread, that something is, or nothing. */
export type Badge = "number" | "dot" | "none";

export interface Alerts {
  sound: Sound; // of all folders that have no other
  badge: Badge;
  folders: Record<string, { sound?: Sound; tell?: boolean; badge?: boolean }>;
  off?: string[]; // browsers that were switched off from another
}

export const alerts = signal<Alerts>({ sound: "device", badge: "number", folders: {} });
whenTold(() => (alerts.value = first?.alerts ?? { sound: "device", badge: "number", folders: {} }));

/** saving is how many choices made here the server does not have yet: what it told meanwhile is older than they are. */
export const saving = { n: 0 };

export async function renewAlerts(): Promise<void> {
  const now = await api<Alerts>("GET", "/api/alerts");
  if (!saving.n && JSON.stringify(now) !== JSON.stringify(alerts.peek())) alerts.value = now;
}

/** tells says whether mail that comes to a folder is told of; what nobody chose is as in internal/alerts. */
export const tells = (m: Mailbox): boolean => alerts.value.folders[m.id]?.tell ?? (m.role === "inbox" && !m.sharer);

/** counts says whether the badge counts a folder. */
export const counts = (m: Mailbox): boolean => alerts.value.folders[m.id]?.badge ?? tells(m);

/** unreadMark is what the title and the badge show of unread mail: how much is in all folders that count, or a dot; "" for none. */
export const unreadMark = computed((): string => {
  const how = alerts.value.badge;
  const n = how === "none" ? 0 : [...mailboxes.value, ...shared.value].reduce((sum, m) => sum + (counts(m) ? m.unreadThreads : 0), 0);
  return n === 0 ? "" : how === "dot" ? "•" : String(n);
});
