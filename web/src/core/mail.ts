// The mail of the account as far as it is known here: mailboxes, emails and conversations, each behind a signal of
// its own, so that a change repaints what shows it and nothing else. sync keeps them true.

import { signal, type Signal, batch } from "@preact/signals";
import { call, listen, MethodError, type Invocation } from "./jmap";
import { first } from "./first";

export interface Mailbox {
  id: string;
  name: string;
  parentId: string | null;
  role: string | null;
  sortOrder: number;
  totalEmails: number;
  unreadEmails: number;
  totalThreads: number;
  unreadThreads: number;
  isSubscribed: boolean;
  myRights: Record<string, boolean>;
}

export interface Address {
  name: string | null;
  email: string;
}

/** Email is what a list shows of an email; the reading pane gets more. */
export interface Email {
  id: string;
  threadId: string;
  mailboxIds: Record<string, true>;
  keywords: Record<string, true>;
  from: Address[] | null;
  to: Address[] | null;
  subject: string | null;
  receivedAt: string;
  size: number;
  preview: string;
  hasAttachment: boolean;
}

export const listProperties = ["id", "threadId", "mailboxIds", "keywords", "from", "to", "subject", "receivedAt", "size", "preview", "hasAttachment"];

export const mailboxes = signal<Mailbox[]>([]);

const emails = new Map<string, Signal<Email | undefined>>();
const threads = new Map<string, Signal<string[]>>();

/** email is the signal of an email; undefined inside until it is known, or once it is gone. */
export function email(id: string): Signal<Email | undefined> {
  let s = emails.get(id);
  if (!s) emails.set(id, (s = signal(undefined)));
  return s;
}

/** thread is the signal of a conversation: the ids of its emails, oldest first. */
export function thread(id: string): Signal<string[]> {
  let s = threads.get(id);
  if (!s) threads.set(id, (s = signal([])));
  return s;
}

/** known is an email as far as it is known here. */
export function known(id: string): Email | undefined {
  return emails.get(id)?.peek();
}

export function mailbox(idOrRole: string): Mailbox | undefined {
  return mailboxes.value.find((m) => m.role === idOrRole || m.id === idOrRole);
}

/** inThread are the emails of a conversation that are known. */
export function inThread(id: string): Email[] {
  return thread(id).value.map((e) => email(e).value).filter((e) => e !== undefined);
}

let emailState = "";
let threadState = "";

/** withRole gives the Outbox its role: the registry of roles has none for it. It is the one where nobody puts anything, in its place of the order. */
function withRole(m: Mailbox): Mailbox {
  return !m.role && m.sortOrder === 2 && !m.myRights.mayAddItems ? { ...m, role: "outbox" } : m;
}

/** keep puts what the server told into the signals. */
export function keep(responses: Invocation[]): void {
  batch(() => {
    for (const [name, answer] of responses) {
      if (name === "Mailbox/get") {
        const all: Mailbox[] = answer.list.map(withRole);
        if (JSON.stringify(all) !== JSON.stringify(mailboxes.peek())) mailboxes.value = all;
      }
      else if (name === "Email/get") {
        emailState ||= answer.state;
        for (const e of answer.list) email(e.id).value = { ...email(e.id).peek(), ...e };
        for (const id of answer.notFound) if (emails.has(id)) email(id).value = undefined;
      } else if (name === "Thread/get") {
        threadState ||= answer.state;
        for (const one of answer.list) thread(one.id).value = one.emailIds;
        for (const id of answer.notFound) if (threads.has(id)) thread(id).value = [];
      }
    }
  });
}

/** fetchMailboxes asks for all mailboxes; there are few. */
export async function fetchMailboxes(): Promise<void> {
  keep([["Mailbox/get", await call("Mailbox/get", { ids: null }), ""]]);
}

/** fetchThread asks for a conversation and what a list shows of its emails. */
export async function fetchThread(id: string): Promise<void> {
  const t = call("Thread/get", { ids: [id] });
  const e = call("Email/get", { "#ids": t.ref("/list/*/emailIds"), properties: listProperties });
  keep([["Thread/get", await t, ""], ["Email/get", await e, ""]]);
}

/** followers are called after anything changed at the server. */
const followers = new Set<() => void>();
export function onChange(f: () => void): () => void {
  followers.add(f);
  return () => followers.delete(f);
}

const maxChanges = 500;

/** catchUp asks what changed of all that is known here. */
export async function catchUp(): Promise<void> {
  if (!emailState) {
    await fetchMailboxes();
    for (const f of followers) f();
    return;
  }
  const boxes = call("Mailbox/get", { ids: null });
  const e = call("Email/changes", { sinceState: emailState, maxChanges });
  const t = threadState ? call("Thread/changes", { sinceState: threadState, maxChanges }) : undefined;
  const [box, emailChanges, threadChanges] = await Promise.all([boxes, e.catch(tooOld), t?.catch(tooOld)]);
  keep([["Mailbox/get", box, ""]]);
  if (!emailChanges || (t && !threadChanges)) return forget();
  await Promise.all([
    renew("Email/get", emails, emailChanges, { properties: listProperties }),
    threadChanges && renew("Thread/get", threads, threadChanges, {}),
  ]);
  await complete(threadChanges?.updated ?? []);
  emailState = emailChanges.newState;
  if (threadChanges) threadState = threadChanges.newState;
  for (const f of followers) f();
  if (emailChanges.hasMoreChanges || threadChanges?.hasMoreChanges) await catchUp();
}

/** tooOld is the answer of a server that no longer knows what changed since then (RFC 8620 section 5.2). */
function tooOld(error: unknown): undefined {
  if (error instanceof MethodError && error.type === "cannotCalculateChanges") return undefined;
  throw error;
}

/** renew asks anew for what is known here and changed. */
async function renew(method: string, known: Map<string, Signal<any>>, changes: any, more: object): Promise<void> {
  const ids = [...changes.created, ...changes.updated].filter((id: string) => known.has(id));
  for (let at = 0; at < ids.length; at += maxChanges) {
    keep([[method, await call(method, { ids: ids.slice(at, at + maxChanges), ...more }), ""]]);
  }
  keep([[method, { list: [], notFound: changes.destroyed }, ""]]);
}

/** complete asks for emails that came to conversations known here from elsewhere, such as a draft of another window. */
async function complete(changed: string[]): Promise<void> {
  const ids = changed.flatMap((id) => threads.get(id)?.peek() ?? []).filter((id) => !known(id)).slice(0, maxChanges);
  if (ids.length) keep([["Email/get", await call("Email/get", { ids, properties: listProperties }), ""]]);
}

/** forget begins anew: what is shown stays until lists and conversations have asked for it again. */
function forget(): void {
  emailState = threadState = "";
  for (const f of followers) f();
}

/** seenPeople are senders and recipients of what is known here, by address. */
export function seenPeople(): Map<string, Address> {
  const found = new Map<string, Address>();
  for (const s of emails.values()) for (const a of [...(s.peek()?.from ?? []), ...(s.peek()?.to ?? [])]) if (a.email && !found.has(a.email)) found.set(a.email, a);
  return found;
}

/** dropEmails forgets emails that nobody looks at. */
export function dropEmails(ids: Iterable<string>): void {
  for (const id of ids) emails.delete(id);
}

/** sync keeps what is known true while the page is open. */
export function sync(): () => void {
  let running = false;
  let again = false;
  const run = async () => {
    if (running) {
      again = true;
      return;
    }
    running = true;
    do {
      again = false;
      try {
        await catchUp();
      } catch {
        break; // the line is down: the next event, or the line's return, comes here again
      }
    } while (again);
    running = false;
  };
  return listen(() => void run());
}

keep(first?.responses ?? []);
