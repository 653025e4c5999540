// What is on its way from here to the server: a message that is to be sent is first laid on a shelf of the browser, then handed
// in, then taken off. So it is sent exactly once, whatever happens in between: the server knows a message that was handed
// in before by its Message-ID, and answers with what it made of it then (RFC 8621 section 7.5).

import { signal } from "@preact/signals";
import { roleMailbox } from "./actions";
import { call, LineError, MethodError, online, refused, SessionError, upload, use } from "./jmap";
import { keepNot, keepThat, kept } from "./kept";
import { fetchMailboxes, onChange } from "./mail";

use("urn:ietf:params:jmap:submission", "urn:postiljon:params:jmap:mail");

/** failedFor is for how many days it is shown what could not be delivered. */
const failedFor = 14;

/** failedSince is the argument of Outbox/get for them. */
export const failedSince = (): string => new Date(Date.now() - failedFor * 86400e3).toISOString().replace(/\.\d+/, "");

/** needsYou is how many messages in the Outbox somebody must see to. */
export const needsYou = signal(0);

/** countNeeds counts those of a list of the Outbox. */
export function countNeeds(list: { state: string }[]): void {
  needsYou.value = list.filter((w) => w.state === "bounced" || w.state === "held").length;
}

/** pause is how long it is waited between two looks at what needs somebody, in milliseconds. */
const pause = 15e3;

/** watchNeeds keeps needsYou true. */
export function watchNeeds(): void {
  let next: ReturnType<typeof setTimeout> | undefined;
  let last = 0;
  const ask = () => {
    next = undefined;
    last = Date.now();
    call<{ state: string }>("Outbox/get", { failedSince: failedSince() }).then((a) => countNeeds(a.list), () => {});
  };
  ask();
  onChange(() => (next ??= setTimeout(ask, Math.max(500, last + pause - Date.now()))));
}

/** Part is one of a message that is to be sent (RFC 8621 section 4.1.4). */
export interface Part {
  type: string;
  partId?: string;
  /** blobId is what it has, "local:KEY" where that is not at the server. */
  blobId?: string;
  name?: string;
  disposition?: string;
  cid?: string;
  subParts?: Part[];
}

/** NewEmail is what Email/set creates. */
export interface NewEmail {
  messageId: string[];
  bodyStructure: Part;
  [property: string]: unknown;
}

/** Outgoing is a message that is to be handed in. */
export interface Outgoing {
  /** id is that of the draft that it comes from. */
  id: string;
  /** at is when somebody sent it, in milliseconds. */
  at: number;
  email: NewEmail;
  /** files has the parts that are not at the server, by their key. */
  files: Record<string, Blob>;
  identityId: string;
  from: string;
  to: string[];
  /** hold is how many seconds the server waits, so that it can be taken back; sendAt a time to send at instead. */
  hold: number;
  sendAt?: string;
  /** draftId is the draft at the server that it replaces, "" for none. */
  draftId: string;
  /** answering is the email that gets a keyword. */
  answering?: { emailId: string; keyword: string };
  /** instead is the message of the Outbox that it goes in the place of, which failed. */
  instead?: string;
  subject: string;
  /** draft is what the window to write in needs to open it again. */
  draft: unknown;
  /** refused is why the server does not take it. */
  refused?: string;
}

/** HandedIn is what the server made of it. */
export interface HandedIn {
  emailId: string;
  submissionId: string;
}

/** waitingHere are the messages that are on the shelf. */
export const waitingHere = signal<Outgoing[]>([]);

/** lookHere brings waitingHere up to date. */
export async function lookHere(): Promise<void> {
  waitingHere.value = await kept<Outgoing>("outbox").catch(() => []);
}

/** shelve lays a message on the shelf, from which it goes by itself. */
export async function shelve(o: Outgoing): Promise<void> {
  await keepThat("outbox", o);
  await lookHere();
}

/** unshelve takes a message off the shelf; it will not be sent from here. */
export async function unshelve(id: string): Promise<void> {
  await keepNot("outbox", id);
  await lookHere();
}

/** handIn hands a message in, in one request. It may be called again after any error: it is sent once. */
async function handIn(o: Outgoing, again = false): Promise<HandedIn> {
  if (!roleMailbox("drafts")) await fetchMailboxes();
  const drafts = roleMailbox("drafts");
  const sent = roleMailbox("sent");
  const email = { ...(await uploaded(o)), mailboxIds: { [drafts]: true }, keywords: { $draft: true, $seen: true }, ...(o.sendAt ? { sentAt: o.sendAt } : {}) };
  const set = call("Email/set", { create: { e: email } });
  const submitted = call<{ id: string; emailId?: string }>("EmailSubmission/set", {
    create: { s: {
      identityId: o.identityId, emailId: "#e",
      envelope: { mailFrom: { email: o.from, parameters: o.hold > 0 && !o.sendAt ? { HOLDFOR: String(o.hold) } : null }, rcptTo: o.to.map((to) => ({ email: to, parameters: null })) },
      ...(o.sendAt ? { sendAt: o.sendAt } : {}),
    } },
    onSuccessUpdateEmail: { "#s": { [`mailboxIds/${drafts}`]: null, ...(sent ? { [`mailboxIds/${sent}`]: true } : {}), "keywords/$draft": null } },
  });
  submitted.catch(() => {}); // awaited below
  const created = (await set).created?.e;
  if (!created) throw refused(await set) ?? new MethodError("serverFail");
  const answer = await submitted.catch(async (error) => {
    if (error instanceof MethodError) await forget([created.id]);
    throw error;
  });
  const made = answer.created?.s;
  if (!made) {
    await forget([created.id]);
    throw refused(answer) ?? new MethodError("serverFail");
  }
  // What was handed in before is another email; then this one is left over, as is the draft that both came from.
  const emailId = made.emailId ?? created.id;
  // Tries that were broken off may have left others.
  const left = again ? (await call("Email/query", { filter: { inMailbox: drafts, header: ["Message-ID", o.email.messageId[0]] } }).catch(() => undefined))?.ids ?? [] : [];
  await forget([...new Set<string>([...left, o.draftId, created.id])].filter((id) => id && id !== emailId));
  if (o.answering) call("Email/set", { update: { [o.answering.emailId]: { [`keywords/${o.answering.keyword}`]: true } } }).catch(() => {});
  if (o.instead) call("Outbox/act", { id: o.instead, action: "dismiss" }).catch(() => {});
  return { emailId, submissionId: made.id };
}

/** lock is held by the window of the browser that hands in what is on the shelf. */
const lock = "postiljon-outbox";

/** handInAlone hands in a message of the shelf and takes it off, unless it may go later; no other window does so meanwhile. */
export function handInAlone(o: Outgoing): Promise<HandedIn> {
  return navigator.locks.request(lock, async () => {
    try {
      const done = await handIn(o);
      await unshelve(o.id).catch(() => {});
      return done;
    } catch (error) {
      if (!isLater(error)) await unshelve(o.id).catch(() => {});
      throw error;
    }
  });
}

/** forget destroys emails; that they stay is no reason to fail. */
async function forget(ids: string[]): Promise<void> {
  if (ids.length) await call("Email/set", { destroy: ids }).catch(() => {});
}

/** uploaded is the email with all its parts at the server. */
async function uploaded(o: Outgoing): Promise<NewEmail> {
  const walk = async (part: Part): Promise<Part> => {
    if (part.subParts) return { ...part, subParts: await Promise.all(part.subParts.map(walk)) };
    const key = /^local:(.*)/.exec(part.blobId ?? "")?.[1];
    return key ? { ...part, blobId: (await upload(o.files[key]!)).blobId } : part;
  };
  return { ...o.email, bodyStructure: await walk(o.email.bodyStructure) };
}

/** Told is called with what became of messages that went from the shelf by themselves. */
type Told = (o: Outgoing, error?: MethodError) => void;

let told: Told = () => {};

/** flush hands in all that is on the shelf, one window of the browser at a time. */
async function flush(): Promise<void> {
  await lookHere();
  if (!waitingHere.peek().some((o) => !o.refused)) return;
  await navigator.locks.request(lock, async () => {
    for (const o of await kept<Outgoing>("outbox").catch(() => [])) {
      if (o.refused || busy.has(o.id)) continue;
      try {
        await handIn({ ...o, hold: 0 }, true);
        await unshelve(o.id);
        told(o);
      } catch (error) {
        if (isLater(error)) break;
        if (!(error instanceof MethodError)) continue; // a message that is broken keeps no other one back
        await shelve({ ...o, refused: error.message });
        told(o, error);
      }
    }
  });
}

/** busy are those that a window is handing in itself. */
export const busy = new Set<string>();

/** keepFlushing hands in what waits here whenever there is a line; tell says what became of it. */
export function keepFlushing(tell: Told): void {
  told = tell;
  const look = () => void flush().catch(() => {});
  online.subscribe((there) => there && setTimeout(look, 500));
  setInterval(() => waitingHere.peek().some((o) => !o.refused) && look(), 30e3);
}

/** isLater tells whether an error means that it may go later: it is about the line, the session or the service, not about the message. */
export const isLater = (error: unknown): boolean =>
  error instanceof LineError || error instanceof SessionError || (error instanceof MethodError && ((error.detail.status ?? 0) >= 429 || error.type === "serverUnavailable"));
