// Mail without a line: the newest messages are kept on this device, and calls that only read are answered from them. What
// is kept is taken away when somebody signs out.

import { call, online, send, type Invocation } from "../core/jmap";
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

/** fill keeps the newest messages, and drops those that are no longer among them. */
async function fill(database: Kept): Promise<void> {
  if (!online.value) return;
  await database.put("state", "mailboxes", mailboxes.peek());
  const hidden = mailboxes.peek().filter((m) => m.role === "junk" || m.role === "trash").map((m) => m.id);
  const wanted = new Set<string>();
  const bodies = new Set<string>(); // drafts change too fast
  for (let at = 0; at < kept; at += page) {
    await idle();
    const query = call("Email/query", {
      filter: { inMailboxOtherThan: hidden }, sort: [{ property: "receivedAt", isAscending: false }], position: at, limit: page,
    });
    query.catch(() => {}); // what refers to it fails with it
    const emails = await call("Email/get", { "#ids": query.ref("/ids"), properties, bodyProperties: ["partId", "blobId", "size", "name", "type", "disposition", "cid"] });
    await query;
    await database.putAll("emails", emails.list);
    for (const e of emails.list as Email[]) {
      wanted.add(e.id);
      if (!e.keywords.$draft) bodies.add(e.id);
    }
    if (emails.list.length < page) break;
  }
  const gone = (await database.keys("emails")).filter((id) => !wanted.has(id));
  await database.deleteAll("emails", gone);
  await keepBodies(bodies, gone);
}

/** keepBodies keeps the texts for the frames; src/worker answers with them. */
async function keepBodies(wanted: Set<string>, gone: string[]): Promise<void> {
  if (!("caches" in globalThis)) return;
  const cache = await caches.open("bodies");
  const theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const address = (id: string) => `/m/${id}/body?theme=${theme}`;
  for (const id of gone) await cache.delete(`/m/${id}/body`, { ignoreSearch: true });
  for (const id of wanted) {
    if (await cache.match(address(id))) continue;
    await idle();
    const response = await send(`${address(id)}&lang=${lang}`);
    if (response.ok) await cache.put(address(id), response);
  }
}

export type { Invocation };
