// Mail without a line: the newest messages are kept on this device, and calls that only read are answered from them. What
// is kept is taken away when somebody signs out.

import { call, online, send } from "../core/jmap";
import { first } from "../core/first";
import { lang } from "../core/text";
import { mailboxes, onChange, type Email } from "../core/mail";
import { setStandIn } from "../core/standin";
import { open, type Kept } from "./database";
import { answer } from "./answers";
import { confirmed, renew as renewPush } from "../push/push";
import { listen } from "../push/sound";

/** kept is how many messages are kept, the newest of all folders but junk and trash. */
const kept = 500;
const page = 50;

/** properties are those that the list and the reading pane ask for. */
const properties = ["id", "blobId", "threadId", "mailboxIds", "keywords", "from", "sender", "to", "cc", "bcc", "replyTo", "subject", "receivedAt", "sentAt", "size",
  "preview", "hasAttachment", "messageId", "attachments"];

/** start lets the kept mail stand in, and keeps what is new, while nothing else is to do. */
export async function start(): Promise<void> {
  listen();
  await ownBodies().catch(() => {});
  const database = await open(first.account.id);
  setStandIn((calls) => answer(database, first.account.id, calls));
  let running: Promise<void> | undefined;
  let again = false;
  const renew = () => {
    if (running) {
      again = true;
      return;
    }
    running = fill(database).catch(() => {}).finally(() => {
      running = undefined;
      if (again) {
        again = false;
        setTimeout(renew, 5000);
      }
    });
  };
  onChange(() => setTimeout(renew, 1000));
  renew();
  confirmed();
  renewPush().catch(() => {}); // the settings say so when somebody looks
}

/** idle is when nobody waits for anything that the page does. */
const idle = () => new Promise<void>((resolve) => ("requestIdleCallback" in globalThis ? requestIdleCallback(() => resolve()) : setTimeout(resolve, 50)));

/** Since is up to where what is kept is true; another version of the page may keep more of each message. */
interface Since {
  version: string;
  state: string;
}

/** fill keeps the newest messages, and drops those that are no longer among them. It asks for what it has not, and for what changed. */
async function fill(database: Kept): Promise<void> {
  if (!online.value) return;
  await database.put("state", "mailboxes", mailboxes.peek());
  await idle();
  const [changes, ids] = await newest(await database.get<Since>("state", "since"));
  const there = new Set(await database.keys("emails"));
  const missing = ids.filter((id) => !changes.updated || changes.updated.includes(id) || !there.has(id));
  for (let at = 0; at < missing.length; at += page) {
    if (at > 0) await idle();
    const emails = await call("Email/get", { ids: missing.slice(at, at + page), properties, bodyProperties: ["partId", "blobId", "size", "name", "type", "disposition", "cid"] });
    await database.putAll("emails", emails.list);
  }
  const wanted = new Set(ids);
  const gone = [...there].filter((id) => !wanted.has(id));
  await database.deleteAll("emails", gone);
  await database.put("state", "since", { version: first.version, state: changes.state } satisfies Since);
  const written = (await database.all<Email>("emails")).filter((e) => !e.keywords.$draft); // drafts change too fast
  await keepBodies(written.map((e) => e.id), gone);
}

/** ownBodies drops the texts of another account, whose session ended without anybody signing out: their addresses are the same. */
async function ownBodies(): Promise<void> {
  const whose = "postiljon.bodies";
  if (localStorage.getItem(whose) === first.account.id) return;
  await caches.delete("bodies");
  localStorage.setItem(whose, first.account.id);
}

/** newest are the ids of the messages to keep, and which of them changed; updated is undefined if nobody knows. */
async function newest(since?: Since): Promise<[{ state: string; updated?: string[] }, string[]]> {
  const hidden = mailboxes.peek().filter((m) => m.role === "junk" || m.role === "trash").map((m) => m.id);
  // Asked first: what changes in between is told next time, again.
  const state = call("Email/get", { ids: [] });
  const changes = since?.version === first.version ? call("Email/changes", { sinceState: since.state }).catch(() => undefined) : undefined;
  const query = call("Email/query", { filter: { inMailboxOtherThan: hidden }, sort: [{ property: "receivedAt", isAscending: false }], limit: kept });
  const [now, changed, { ids }] = await Promise.all([state, changes, query]);
  return [changed ? { state: changed.newState, updated: changed.updated } : { state: now.state }, ids];
}

/** keepBodies keeps the texts for the frames; src/worker answers with them. */
async function keepBodies(wanted: string[], gone: string[]): Promise<void> {
  if (!("caches" in globalThis)) return;
  const cache = await caches.open("bodies");
  const theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  for (const id of gone) await cache.delete(`/m/${id}/body`, { ignoreSearch: true });
  const there = new Set((await cache.keys()).map((r) => r.url));
  for (const id of wanted) {
    const address = `/m/${id}/body?theme=${theme}`;
    if (there.has(new URL(address, location.href).href)) continue;
    await idle();
    const response = await send(`${address}&lang=${lang}`);
    if (response.ok) await cache.put(address, response);
  }
}
