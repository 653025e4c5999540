// Keeping the newest messages in this browser: their heads first, then texts, pictures and small files, the newest first, a few
// at a time while nothing else is to do. What is there is not fetched again, so it goes on where it stopped.

import { first } from "../core/first";
import { call, online, send } from "../core/jmap";
import { mailboxes, shared, sharers, type Mailbox } from "../core/mail";
import { lang } from "../core/text";
import { theme } from "../read/ready";
import type { Kept } from "./database";
import { newestFirst, type Full } from "./matches";

/** kept is how many messages are kept, the newest of all folders but junk and trash; those that others share are at most a part of them. */
const kept = 500;
const ofSharers = 150;
const ofEachSharer = 50;

/** few is how many are kept where every octet counts, without texts but those that were opened. */
const few = 50;

const page = 50;

/** batch is how many texts are fetched before the line and the device get a pause, in milliseconds. */
const batch = 10;
const pause = 1000;

/** largestFile and allFiles bound pictures and files that are kept with messages, in octets; longest the text that is searched. */
const largestFile = 2e6;
const allFiles = 40e6;
const longest = 20e3;

/** crowded is for how long fewer texts are kept after the browser had no room, in milliseconds. */
const crowded = 86400e3;

/** bodies is the cache of texts and files; src/worker answers with them. */
const bodies = "bodies";

/** properties are those that the list and the reading pane ask for. */
const properties = ["id", "blobId", "threadId", "mailboxIds", "keywords", "from", "sender", "to", "cc", "bcc", "replyTo", "subject", "receivedAt", "sentAt", "size",
  "preview", "hasAttachment", "messageId", "inReplyTo", "references", "attachments"];
const bodyProperties = ["partId", "blobId", "size", "name", "type", "disposition", "cid"];

/** Keeping is how far it is, for the self-check. */
export interface Keeping {
  emails: number;
  texts: number;
  /** wanted is how many emails there are to keep. */
  wanted: number;
  /** limit is why not all of them are kept with their texts. */
  limit?: "saver" | "slow" | "full" | undefined;
}

/** Room is how many texts there is room for, as it turned out at a time. */
interface Room {
  texts: number;
  at: number;
}

/** Since is up to where what is kept of an account is true; another version of the page may keep more of each message. */
interface Since {
  version: string;
  state: string;
}

/** thrift tells whether the line is one on which nothing is fetched that nobody asked for. */
function thrift(): "saver" | "slow" | undefined {
  const line = (navigator as { connection?: { saveData?: boolean; effectiveType?: string } }).connection;
  return line?.saveData ? "saver" : /2g$/.test(line?.effectiveType ?? "") ? "slow" : undefined;
}

/** idle is when nobody waits for anything that the page does. */
const idle = () => new Promise<void>((resolve) => ("requestIdleCallback" in globalThis ? requestIdleCallback(() => resolve(), { timeout: 5000 }) : setTimeout(resolve, 50)));

/** keepNewest keeps what is to be kept, and drops all else. Where another window does so already, that is enough. */
export async function keepNewest(database: Kept): Promise<void> {
  await navigator.locks.request(`postiljon-keep-${first.account.id}`, { ifAvailable: true }, async (free) => {
    if (!free || !online.peek()) return;
    const ids = await keepHeads(database);
    await keepTexts(database, ids);
  });
}

/** keepHeads keeps what lists show and answers the ids of all messages to keep. */
async function keepHeads(database: Kept): Promise<Set<string>> {
  const wanted = new Set<string>();
  let room = ofSharers;
  for (const { id } of sharers.peek()) {
    const boxes = shared.peek().filter((m) => m.sharer === id);
    await database.put("state", `mailboxes-${id}`, boxes.map(asTheirs));
    const ids = await keepAccount(database, id, boxes.filter((m) => !m.isSubscribed || m.was === "junk" || m.was === "trash"), Math.min(room, ofEachSharer));
    room -= ids.length;
    ids.forEach((one) => wanted.add(one));
  }
  await database.put("state", `mailboxes-${first.account.id}`, mailboxes.peek());
  await database.put("state", "identities", (await call("Identity/get", { ids: null })).list); // to write as
  const hidden = mailboxes.peek().filter((m) => m.role === "junk" || m.role === "trash");
  for (const id of await keepAccount(database, first.account.id, hidden, kept - wanted.size)) wanted.add(id);
  const gone = (await database.keys("emails")).filter((id) => !wanted.has(id));
  await database.deleteAll("emails", gone);
  await database.deleteAll("texts", gone);
  return wanted;
}

/** asTheirs is a mailbox as its owner's account tells of it. */
const asTheirs = ({ sharer: _, was, ...m }: Mailbox): Mailbox => ({ ...m, role: was ?? null });

/** keepAccount keeps the heads of the newest emails of an account. It asks for what is not there, and for what changed. */
async function keepAccount(database: Kept, accountId: string, hidden: Mailbox[], limit: number): Promise<string[]> {
  await idle();
  const name = `since-${accountId}`;
  const before = await database.get<Since>("state", name);
  // Asked first: what changes in between is told next time, again.
  const state = call("Email/get", { accountId, ids: [] });
  const since = changedSince(accountId, before);
  const query = call("Email/query", { accountId, filter: { inMailboxOtherThan: hidden.map((m) => m.id) }, sort: [{ property: "receivedAt", isAscending: false }], limit });
  const [now, changed, { ids }] = await Promise.all([state, since, query as Promise<{ ids: string[] }>]);
  const there = new Set(await database.keys("emails"));
  const missing = ids.filter((id, i) => (there.has(id) ? !changed || changed.updated.has(id) : !thrift() || i < few));
  for (let at = 0; at < missing.length; at += page) {
    if (at > 0) await idle();
    const emails = await call<{ id: string }>("Email/get", { accountId, ids: missing.slice(at, at + page), properties, bodyProperties });
    await database.putAll("emails", emails.list);
  }
  await database.put("state", name, { version: first.version, state: changed?.state ?? now.state } satisfies Since);
  return ids;
}

/** mostSteps is how many answers about changes are asked for before all is asked anew. */
const mostSteps = 10;

/** changedSince are the emails that changed, and up to when; undefined if nobody knows. */
async function changedSince(accountId: string, since?: Since): Promise<{ state: string; updated: Set<string> } | undefined> {
  if (since?.version !== first.version) return undefined;
  const updated = new Set<string>();
  let { state } = since;
  for (let step = 0; step < mostSteps; step++) {
    const changes = await call("Email/changes", { accountId, sinceState: state }).catch(() => undefined);
    if (!changes) return undefined;
    for (const id of changes.updated as string[]) updated.add(id);
    state = changes.newState;
    if (!changes.hasMoreChanges) return { state, updated };
  }
  return undefined;
}

/** addressOf is where a text is kept: without what the look of a page adds but the theme. */
const addressOf = (id: string): string => `/m/${id}/body?${theme()}`;

/** keepTexts keeps texts and files of the messages that are kept, and notes how far it is. */
async function keepTexts(database: Kept, wanted: Set<string>): Promise<void> {
  const cache = await globalThis.caches?.open(bodies);
  if (!cache) return;
  const there = await prune(cache, wanted);
  // Drafts change too fast.
  const emails = (await database.all<Full>("emails")).filter((e) => !e.keywords.$draft).sort(newestFirst);
  const room = await database.get<Room>("state", "room");
  const most = room && Date.now() - room.at < crowded ? room.texts : kept;
  let files = allFiles;
  let texts = 0;
  let fetched = 0;
  const note = (limit?: Keeping["limit"]) => database.put("state", "keeping", { emails: emails.length, texts, wanted: wanted.size, limit } satisfies Keeping);
  try {
    for (const e of emails.slice(0, most)) {
      const missing = filesOf(e, (n) => (files -= n) >= 0).filter((a) => !there.has(a));
      const text = addressOf(e.id);
      if (there.has(text)) texts++;
      else missing.unshift(text);
      for (const address of missing) {
        if (thrift() || !online.peek()) return await note(thrift());
        if (++fetched % batch === 0) {
          await note();
          await new Promise((go) => setTimeout(go, pause));
        }
        await idle();
        await fetchTo(cache, address, e.id, database);
        if (address === text) texts++;
      }
    }
    await note(most < emails.length ? "full" : thrift());
  } catch (error) {
    if ((error as Error).name !== "QuotaExceededError") throw error;
    await makeRoom(database, cache, emails, texts);
    texts = Math.floor(texts / 2);
    await note("full");
  }
}

/** makeRoom drops the older half of the texts: the browser has no more room, and what is written needs some. */
async function makeRoom(database: Kept, cache: Cache, emails: Full[], texts: number): Promise<void> {
  const left = Math.floor(texts / 2);
  await prune(cache, new Set(emails.slice(0, left).map((e) => e.id)));
  await database.put("state", "room", { texts: left, at: Date.now() } satisfies Room);
}

/** prune drops what belongs to no wanted message, and answers the addresses of the rest. */
async function prune(cache: Cache, wanted: Set<string>): Promise<Set<string>> {
  const there = new Set<string>();
  for (const request of await cache.keys()) {
    const { pathname, search } = new URL(request.url);
    if (wanted.has(pathname.split("/")[2]!)) there.add(pathname + search);
    else await cache.delete(request);
  }
  return there;
}

/** filesOf are the addresses of what is kept beside the text: what the server found out about it, and files as far as there is room for them. */
function filesOf(e: Full, room: (octets: number) => boolean): string[] {
  const addresses = [`/m/${e.id}/about`];
  for (const a of e.attachments ?? []) {
    if (a.size > largestFile || !room(a.size)) continue;
    addresses.push(`/m/${e.id}/part/${a.partId}`);
    if (/^image\/(?:png|jpeg|gif|webp)$/.test(a.type) && a.disposition !== "inline") addresses.push(`/m/${e.id}/preview/${a.partId}`);
  }
  return addresses;
}

/** fetchTo fetches something that belongs to a message into the cache. What cannot be had is there for nobody, and is no reason to stop. */
async function fetchTo(cache: Cache, address: string, id: string, database: Kept): Promise<void> {
  const url = new URL(address, location.href);
  if (url.pathname.includes("/part/")) url.pathname += "/file";
  if (url.pathname.includes("/preview/")) url.searchParams.set("w", "320");
  url.searchParams.set("lang", lang);
  const response = await send(url.pathname + url.search, { priority: "low" });
  if (!response.ok) return;
  if (url.pathname.endsWith("/body")) {
    const html = await response.clone().text();
    await database.putAll("texts", [{ id, text: plain(html).slice(0, longest) }]);
  }
  await cache.put(address, response);
}

/** plain is what is read of a page of ours, to be searched and quoted. */
function plain(html: string): string {
  const body = html.slice(html.indexOf("<body")).replace(/<style[^]*?<\/style>/g, " ").replace(/<br[^>]*>|<\/(?:p|div|li|tr|h\d|pre|blockquote)>/g, "\n").replace(/<[^>]*>/g, " ");
  return body.replace(/&(?:amp|lt|gt|quot|nbsp|#\d+);/g, (e) => entities[e] ?? (e.startsWith("&#") ? String.fromCodePoint(Number(e.slice(2, -1))) : " ")).replace(/[^\S\n]+/g, " ").replace(/ ?\n ?/g, "\n").replace(/\n{3,}/g, "\n\n").trim();
}

const entities: Record<string, string> = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"' };
