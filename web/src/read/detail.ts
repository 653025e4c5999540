// What the reading pane shows of an email beyond the list: asked for when a message is opened, once.

import { signal, type Signal } from "@preact/signals";
import { api, call, LineError, of } from "../core/jmap";
import type { Address } from "../core/mail";
import { lang } from "../core/text";

export interface Part {
  partId: string;
  blobId: string;
  size: number;
  name: string | null;
  type: string;
  disposition: string | null;
  cid: string | null;
}

/** Detail are properties of RFC 8621 section 4.1. */
export interface Detail {
  id: string;
  blobId: string;
  messageId: string[] | null;
  from: Address[] | null;
  sender: Address[] | null;
  to: Address[] | null;
  cc: Address[] | null;
  bcc: Address[] | null;
  replyTo: Address[] | null;
  sentAt: string | null;
  attachments: Part[];
}

const properties = ["id", "blobId", "messageId", "from", "sender", "to", "cc", "bcc", "replyTo", "sentAt", "attachments"];

interface Known<T> {
  value?: T;
  error?: unknown;
  failed?: number; // when, in milliseconds
}

/** pause is how long what failed is not asked for again. */
const pause = 10e3;

const details = new Map<string, Signal<Known<Detail>>>();
const abouts = new Map<string, Signal<Known<About>>>();

/** remembered bounds what is kept of messages that were opened. */
const remembered = 500;

function remember<T>(all: Map<string, Signal<Known<T>>>, id: string, fetch: () => Promise<T>): Signal<Known<T>> {
  let s = all.get(id);
  const failed = s?.peek().failed;
  if (s && (failed === undefined || Date.now() - failed < pause)) return s;
  s ??= signal<Known<T>>({});
  all.set(id, s);
  if (all.size > remembered) all.delete(all.keys().next().value!);
  fetch().then(
    (value) => (s.value = { value }),
    (error) => (s.value = { error, failed: Date.now() }),
  );
  return s;
}

/** detail is the signal of what is known of an email; what failed is asked for again. */
export function detail(id: string): Signal<Known<Detail>> {
  return remember(details, id, async () => {
    const answer = await call<Detail>("Email/get", { ...of(id), ids: [id], properties, bodyProperties: ["partId", "blobId", "size", "name", "type", "disposition", "cid"] });
    if (!answer.list[0]) throw new Error("gone");
    return answer.list[0];
  });
}

/** about is the signal of what the server found out about an email. */
export function about(id: string): Signal<Known<About>> {
  return remember(abouts, id, () => api<About>("GET", `/m/${id}/about?lang=${lang}`).catch((error) => keptAbout(id, error)));
}

/** keptAbout is what src/offline kept of it, where there is no line. */
async function keptAbout(id: string, error: unknown): Promise<About> {
  const kept = error instanceof LineError && (await globalThis.caches?.match(`/m/${id}/about`));
  if (!kept) throw error;
  return kept.json();
}

/** forgetAbout lets the next look ask anew. */
export function forgetAbout(id: string): void {
  abouts.delete(id);
}

/** Said is something in words for the reader. */
interface Said {
  level: "good" | "info" | "warn" | "bad";
  title: string;
  text?: string;
}

/** About is what internal/web/view tells of an email. */
export interface About {
  authenticity?: Said;
  notes: Said[];
  images: { count: number; hosts: string[]; trackers: number; allowed: boolean; proven: boolean };
  unsubscribe?: { oneClick: boolean; mailto?: string; url?: string };
  junk?: { title: string; reasons: string[]; change?: string };
  attachments: (Said & { partId: string; name: string })[];
  inline: string[];
  invitation?: { partId: string; summary?: string; location?: string; start?: string; end?: string; zone?: string; said: string[] };
}
