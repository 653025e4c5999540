// What a push says, in the words of a notification.

export interface Notice {
  title: string;
  text: string;
  tag: string;
  url: string;
  badge?: number;
  silent: boolean;
  test: boolean;
}

/** noticeOf reads a push of the server (internal/protocol/jmapd, vendor payload of PushSubscription). */
export function noticeOf(told: any): Partial<Notice> {
  const n = told?.notification;
  if (!n) return {};
  return {
    title: String(n.title ?? ""),
    text: String(n.text ?? ""),
    tag: String(n.tag ?? n.emailId ?? ""),
    url: typeof n.url === "string" && n.url.startsWith("/") && !n.url.startsWith("//") ? n.url : "/mail/inbox",
    badge: typeof n.badge === "number" ? n.badge : undefined,
    silent: n.silent === true,
    test: n.test === true,
  };
}

export function isNotice(n: Partial<Notice>): n is Notice {
  return !!n.title;
}
