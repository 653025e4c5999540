// What a push says, in the words of a notification. The messages are those of internal/protocol/jmapd/pushsub.go.

export interface Notice {
  title: string;
  text: string;
  tag: string;
  url: string;
  badge?: number;
  dot?: boolean; // in place of the number
  silent: boolean;
  own: boolean; // a page that is open makes a sound of its own
  test?: { id: string; sent: string };
}

/** Preferences are what the page keeps for the worker, which knows neither language nor settings. */
interface Preferences {
  /** newMail is "{n} new messages" in the reader's language, test what a test says. */
  newMail: string;
  test: string;
  /** mute says that nothing makes a sound here. */
  mute: boolean;
}

export const usual: Preferences = { newMail: "✉ {n}", test: "✓", mute: false };

interface Told {
  id: string;
  threadId: string;
  mailboxId: string;
  sound?: string; // as the account chose for the folder
  from?: { name: string | null; email: string }[] | null;
  subject?: string;
  preview?: string;
}

/** Push is what a push says, as far as it is one of ours. */
interface Push {
  "@type"?: unknown;
  emails?: unknown;
  count?: number; // of all, where there are more than these
  unread?: unknown;
  badge?: unknown;
  test?: unknown;
  sent?: unknown;
}

/** noticesOf reads a push: one notification for each message it describes, or one for all of them. */
export function noticesOf(push: unknown, p: Preferences): Notice[] {
  const told = push as Push | null | undefined;
  if (told?.["@type"] === "PushTest") {
    return [{ title: "Postiljon", text: p.test, tag: "test", url: "/settings/notifications", silent: false, own: false, test: { id: String(told.test), sent: String(told.sent) } }];
  }
  if (told?.["@type"] !== "StateChange" || !Array.isArray(told.emails) || told.emails.length === 0) return [];
  const emails = told.emails as Told[];
  const badge = typeof told.unread === "number" && told.badge !== "none" ? told.unread : undefined;
  const dot = told.badge === "dot";
  const isSilent = (e: Told) => p.mute || e.sound === "none";
  const isOwn = (e: Told) => !!e.sound && e.sound !== "device" && e.sound !== "none";
  const described = emails.every((e) => e.from !== undefined);
  if (!described || (told.count ?? 0) > emails.length) {
    return [{ title: "Postiljon", text: p.newMail.replace("{n}", String(told.count ?? emails.length)), tag: "many", url: "/mail/inbox", badge, dot, silent: emails.every(isSilent), own: emails.some(isOwn) }];
  }
  return emails.map((e) => ({
    title: e.from?.[0]?.name || e.from?.[0]?.email || "Postiljon",
    text: [e.subject, e.preview].filter(Boolean).join("\n"),
    tag: e.threadId,
    url: `/mail/${encodeURIComponent(e.mailboxId)}/${encodeURIComponent(e.threadId)}`,
    badge,
    dot,
    silent: isSilent(e),
    own: isOwn(e),
  }));
}
