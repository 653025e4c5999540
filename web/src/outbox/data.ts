// What waits to be sent, and what became of what was sent, as the server tells it (docs/jmap.md).

import { signal } from "@preact/signals";
import { call } from "../core/jmap";
import { onChange } from "../core/mail";
import { countNeeds, failedSince } from "../core/outbox";
import { lang, locale, time } from "../core/text";

/** Why is a cause in words. */
export interface Why {
  cause: string;
  title: string;
  text: string;
  action?: string;
  actor?: string;
  suggestion?: string;
}

/** State is how far a message is for a recipient. */
export type State = "scheduled" | "waiting" | "sending" | "delayed" | "held" | "delivered" | "bounced" | "cancelled";

export interface Recipient {
  address: string;
  state: State;
  attempts: number;
  /** last is when it was last tried, or became what it is. */
  last: string | null;
  nextTry: string | null;
  giveUp: string | null;
  host: string | null;
  reply: string | null;
  why: Why | null;
  /** suggestion is the address that was probably meant. */
  suggestion: string | null;
  /** opened is when a read receipt came. */
  opened?: string | null;
}

/** Waiting is a message that has not reached all of its recipients. */
export interface Waiting {
  id: string;
  emailId: string | null;
  emailSubmissionId: string | null;
  from: string;
  subject: string | null;
  messageId: string | null;
  size: number;
  created: string;
  sendAt: string | null;
  giveUp: string;
  state: State;
  recipients: Recipient[];
  actions: string[];
}

/** Meter is how far a sending limit is used up. */
export interface Meter {
  counted: string;
  of: string;
  used: number;
  limit: number;
  closed: boolean;
  resets: string | null;
  why: Why | null;
}

/** Sender is where messages came from until a limit was reached: the address of a mail program, null for the webmail. */
export interface Sender {
  from: string | null;
  messages: number;
  last: string | null;
}

interface Limits {
  sending: Meter[];
  senders: Sender[];
  /** closed is why nothing is sent at all. */
  closed: Why | null;
  waiting: number;
}

export const waiting = signal<Waiting[] | undefined>(undefined);
export const limits = signal<Limits | undefined>(undefined);
export const failed = signal<unknown>(undefined);
/** otherSenders tells whether there is another address to write from; it is looked at once a message wants one. */
export const otherSenders = signal(false);
/** withFiles are the emails with files, of those that are there and would arrive as a link. */
export const withFiles = signal<Set<string>>(new Set());

/** look asks the server. */
export async function look(): Promise<void> {
  try {
    const box = call<Waiting>("Outbox/get", { failedSince: failedSince(), lang });
    const used = call<Limits>("Limits/get", { lang });
    const [b, l] = await Promise.all([box, used]);
    const ids = b.list.filter((w) => w.emailId && w.recipients.some((r) => asLink.test(r.why?.cause ?? ""))).map((w) => w.emailId);
    if (ids.length) {
      const { list } = await call<{ id: string; hasAttachment: boolean }>("Email/get", { ids, properties: ["hasAttachment"] });
      withFiles.value = new Set(list.filter((e) => e.hasAttachment).map((e) => e.id));
    }
    waiting.value = b.list.sort(order);
    countNeeds(b.list);
    limits.value = l;
    if (b.list.some((w) => w.recipients.some((r) => wrongSender.test(r.why?.cause ?? "")))) otherSenders.value = (await call<unknown>("Identity/get", { ids: null, properties: ["id"] })).list.length > 1;
    failed.value = undefined;
  } catch (error) {
    failed.value = error;
  }
}

/** order puts what somebody must see to first, then what goes soonest. */
function order(a: Waiting, b: Waiting): number {
  const rank = (w: Waiting) => (w.state === "bounced" ? 0 : w.state === "held" ? 1 : 2);
  return rank(a) - rank(b) || (a.state === "bounced" ? b.created.localeCompare(a.created) : (next(a) ?? "").localeCompare(next(b) ?? ""));
}

/** next is when a message is tried next. */
export function next(w: Waiting): string | undefined {
  return w.recipients.map((r) => r.nextTry).filter((n) => n !== null).sort()[0];
}

/** follow keeps what is shown true until it is told to stop. */
export function follow(): () => void {
  void look();
  let soon: ReturnType<typeof setTimeout> | undefined;
  const stop = onChange(() => {
    soon ??= setTimeout(() => {
      soon = undefined;
      void look();
    }, 200);
  });
  const timer = setInterval(() => document.visibilityState === "visible" && void look(), 20e3);
  return () => {
    stop();
    clearTimeout(soon);
    clearInterval(timer);
  };
}

/** Acted is what became of it: signed tells that an address was corrected for the way alone, as its program signed the message. */
interface Acted {
  emailId: string | null;
  signed?: boolean;
}

/** act does something with a message that waits. */
export async function act(id: string, action: string, more: Record<string, string> = {}): Promise<Acted> {
  const answer = await call<Acted>("Outbox/act", { id, action, lang, ...more });
  await look();
  return answer;
}

const weekday = new Intl.DateTimeFormat(locale, { weekday: "long", hour: "2-digit", minute: "2-digit" });
const far = new Intl.DateTimeFormat(locale, { day: "numeric", month: "long", hour: "2-digit", minute: "2-digit" });

/** when is a time in words: the clock alone today, the weekday within a week. */
export function when(text: string): string {
  const d = new Date(text);
  const now = new Date();
  if (d.toDateString() === now.toDateString()) return time(d);
  return Math.abs(d.getTime() - now.getTime()) < 6 * 86400e3 ? weekday.format(d) : far.format(d);
}

/** wrongAddress are the causes against which another address helps. */
export const wrongAddress = /^(?:recipient\.(?!refuses|server)|dns\.(?:mx|host|domain))/;

/** asLink are those against which it helps to send files as links. */
export const asLink = /^content\.(?:too-large|attachment-forbidden)/;

/** wrongSender are those against which another address of one's own helps. */
export const wrongSender = /^(?:client\.from-not-owned|sender\.(?:not-aligned|address-invalid))/;
