// The mail of the account as far as it is known here: mailboxes, emails and conversations, each behind a signal of
// its own, so that a change repaints what shows it and nothing else. sync keeps them true.

import { signal, type Signal, batch } from "@preact/signals";
import { backOff, call, listen, MethodError, of, passes, send, type Changes, type Got, type Invocation } from "./jmap";
import { renewAlerts } from "./alerts";
import { renewLabels } from "./labels";
import { first, whenTold, type Account } from "./first";

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
  sharer?: string; // the account that shares it
  was?: string | null; // its role there
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

/** Thread is a conversation: its emails, oldest first. */
interface Thread {
  id: string;
  emailIds: string[];
}

export const listProperties = ["id", "threadId", "mailboxIds", "keywords", "from", "to", "subject", "receivedAt", "size", "preview", "hasAttachment"];

export const mailboxes = signal<Mailbox[]>([]);

/** sharers are the accounts that share mailboxes with this one; shared are those mailboxes. What they are to their owners they are not here. */
export const sharers = signal<Account[]>([]);
export const shared = signal<Mailbox[]>([]);

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
  return mailboxes.value.find((m) => m.role === idOrRole || m.id === idOrRole) ?? shared.value.find((m) => m.id === idOrRole);
}

/** may tells whether the rights on all mailboxes of an email let something be done with it. */
export function may(e: Email, right: string): boolean {
  return Object.keys(e.mailboxIds).every((m) => mailbox(m)?.myRights[right] !== false);
}

/** inThread are the emails of a conversation that are known. */
export function inThread(id: string): Email[] {
  return thread(id).value.map((e) => email(e).value).filter((e) => e !== undefined);
}

/** States are what is known of an account: of emails and of conversations, each with the state in which it is. */
interface States {
  email: string;
  thread: string;
}
let states: Record<string, States> = {};
let own = "";
const statesOf = (account = own): States => (states[account] ??= { email: "", thread: "" });

/** withRole gives the Outbox its role: the registry of roles has none for it. It is the one where nobody puts anything, in its place of the order. */
function withRole(m: Mailbox): Mailbox {
  return !m.role && m.sortOrder === 2 && !m.myRights.mayAddItems ? { ...m, role: "outbox" } : m;
}

/** keep puts what the server told into the signals. */
export function keep(responses: Invocation[]): void {
  batch(() => {
    for (const [name, answer] of responses) {
      if (name === "Mailbox/get") keepMailboxes(answer as Got<Mailbox>);
      else if (name === "Email/get") keepEmails(answer as Got<Email>);
      else if (name === "Thread/get") keepThreads(answer as Got<Thread>);
    }
  });
}

function keepMailboxes({ accountId = own, list }: Got<Mailbox>): void {
  if (accountId === own) put(mailboxes, list.map(withRole));
  else put(shared, [...shared.peek().filter((m) => m.sharer !== accountId), ...list.map((m) => ({ ...m, sharer: accountId, was: m.role, role: null }))]);
}

function keepEmails({ accountId, state, list, notFound }: Got<Email>): void {
  statesOf(accountId).email ||= state;
  for (const e of list) email(e.id).value = { ...email(e.id).peek(), ...e };
  for (const id of notFound) if (emails.has(id)) email(id).value = undefined;
}

function keepThreads({ accountId, state, list, notFound }: Got<Thread>): void {
  statesOf(accountId).thread ||= state;
  for (const one of list) thread(one.id).value = one.emailIds;
  for (const id of notFound) if (threads.has(id)) thread(id).value = [];
}

function put(all: Signal<Mailbox[]>, now: Mailbox[]): void {
  if (JSON.stringify(now) !== JSON.stringify(all.peek())) all.value = now;
}

/** fetchMailboxes asks for all mailboxes of an account; there are few. */
export async function fetchMailboxes(accountId = own): Promise<void> {
  keep([["Mailbox/get", await call("Mailbox/get", { accountId, ids: null }), ""]]);
}

/** fetchThread asks for a conversation and what a list shows of its emails. */
export async function fetchThread(id: string): Promise<void> {
  const t = call("Thread/get", { ...of(id), ids: [id] });
  const e = call("Email/get", { ...of(id), "#ids": t.ref("/list/*/emailIds"), properties: listProperties });
  const [one, its] = await Promise.all([t, e]);
  keep([["Thread/get", one, ""], ["Email/get", its, ""]]);
}

/** followers are called after anything changed at the server. */
const followers = new Set<() => void>();
export function onChange(f: () => void): () => void {
  followers.add(f);
  return () => followers.delete(f);
}

const maxChanges = 500;

/** caughtUp tells whether what is known was compared with the server since the page came, which may be a kept one. */
export let caughtUp = false;

/** catchUp asks what changed of all that is known here. */
export async function catchUp(): Promise<void> {
  await Promise.all([own, ...sharers.peek().map((a) => a.id)].map(catchUpWith));
  caughtUp = true;
  tellFollowers();
}

/** tellFollowers lets all look anew at what they show. */
export function tellFollowers(): void {
  for (const f of followers) f();
}

async function catchUpWith(accountId: string): Promise<void> {
  const state = statesOf(accountId);
  const boxes = call("Mailbox/get", { accountId, ids: null });
  const e = state.email ? call("Email/changes", { accountId, sinceState: state.email, maxChanges }) : undefined;
  const t = state.thread ? call("Thread/changes", { accountId, sinceState: state.thread, maxChanges }) : undefined;
  const [box, emailChanges, threadChanges] = await Promise.all([accountId === own ? boxes : boxes.catch(tooOld), e?.catch(tooOld), t?.catch(tooOld)]);
  if (!box) return meet(); // nothing is shared any more
  keep([["Mailbox/get", box, ""]]);
  // What is shown of what is too old stays until lists and conversations have asked for it again.
  if ((e && !emailChanges) || (t && !threadChanges)) return void delete states[accountId];
  await Promise.all([
    emailChanges && renew("Email/get", accountId, emails, emailChanges, { properties: listProperties }),
    threadChanges && renew("Thread/get", accountId, threads, threadChanges, {}),
  ]);
  await complete(accountId, threadChanges?.updated ?? []);
  if (emailChanges) state.email = emailChanges.newState;
  if (threadChanges) state.thread = threadChanges.newState;
  if (emailChanges?.hasMoreChanges || threadChanges?.hasMoreChanges) await catchUpWith(accountId);
}

/** meet asks who shares mailboxes now. */
async function meet(): Promise<void> {
  const { accounts } = await (await send("/jmap/session")).json();
  delete accounts[own];
  const before = sharers.peek();
  sharers.value = Object.keys(accounts).map((id) => before.find((s) => s.id === id) ?? { id, address: accounts[id].name, name: "" });
  put(shared, shared.peek().filter((m) => accounts[m.sharer!]));
  const gone = before.filter((s) => !accounts[s.id]).map((s) => s.id);
  for (const [id, s] of emails) if (gone.includes(of(id).accountId)) s.value = undefined;
}

/** tooOld is the answer of a server that no longer knows what changed since then (RFC 8620 section 5.2), or tells it no longer. */
function tooOld(error: unknown): undefined {
  if (error instanceof MethodError && (error.type === "cannotCalculateChanges" || error.type === "accountNotFound")) return undefined;
  throw error;
}

/** renew asks anew for what is known here and changed. */
async function renew(method: "Email/get" | "Thread/get", accountId: string, known: Map<string, unknown>, changes: Changes, more: object): Promise<void> {
  const ids = [...changes.created, ...changes.updated].filter((id) => known.has(id));
  for (let at = 0; at < ids.length; at += maxChanges) {
    keep([[method, await call(method, { accountId, ids: ids.slice(at, at + maxChanges), ...more }), ""]]);
  }
  keep([[method, { accountId, list: [], notFound: changes.destroyed }, ""]]);
}

/** complete asks for emails that came to conversations known here from elsewhere, such as a draft of another window. */
async function complete(accountId: string, changed: string[]): Promise<void> {
  const ids = changed.flatMap((id) => threads.get(id)?.peek() ?? []).filter((id) => !known(id)).slice(0, maxChanges);
  if (ids.length) keep([["Email/get", await call("Email/get", { accountId, ids, properties: listProperties }), ""]]);
}

/** seenPeople are senders and recipients of what is known here, by address. */
export function seenPeople(): Map<string, Address> {
  const found = new Map<string, Address>();
  for (const s of emails.values()) for (const a of [...(s.peek()?.from ?? []), ...(s.peek()?.to ?? [])]) if (a.email && !found.has(a.email)) found.set(a.email, a);
  return found;
}

/** dropEmails forgets emails that nobody looks at, and conversations of which nothing is left. */
export function dropEmails(ids: Iterable<string>): void {
  for (const id of ids) {
    const threadId = known(id)?.threadId ?? "";
    emails.delete(id);
    if (threads.get(threadId)?.peek().every((e) => !emails.has(e))) threads.delete(threadId);
  }
}

/** sync keeps what is known true while the page is open. */
export function sync(): () => void {
  let running = false;
  let again = false;
  let unmet = false; // somebody shares something since then
  let failures = 0;
  let later: ReturnType<typeof setTimeout> | undefined;
  const run = async () => {
    if (running) {
      again = true;
      return;
    }
    running = true;
    clearTimeout(later);
    do {
      again = false;
      try {
        if (unmet) await meet();
        unmet = false;
        await catchUp();
        failures = 0;
      } catch (error) {
        if (passes(error)) later = setTimeout(() => void run(), backOff(++failures)); // the next event, or the line's return, may come sooner
        break;
      }
    } while (again);
    running = false;
  };
  let heard = false;
  return listen((changed) => {
    // The page began with them; whatever changed while nobody listened is asked for.
    if (changed[own]?.Annotation || (heard && !Object.keys(changed).length)) void Promise.allSettled([renewLabels(), renewAlerts()]);
    heard = true;
    unmet ||= Object.keys(changed).some((a) => a !== own && !sharers.peek().some((s) => s.id === a));
    void run();
  });
}

whenTold(() => batch(() => {
  own = first?.account.id ?? "";
  states = {};
  emails.clear();
  threads.clear();
  sharers.value = first?.sharers ?? [];
  mailboxes.value = shared.value = [];
  keep(first?.responses ?? []);
}));
