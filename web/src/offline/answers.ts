// The few methods of JMAP that can be answered from what is kept: reading mailboxes, lists, conversations and messages.

import type { Invocation } from "../core/jmap";
import type { Email, Mailbox } from "../core/mail";
import type { Kept } from "./database";

/** state is that of all answers here: no server ever knows it, so a list is read anew once the line is back. */
const state = "offline";

/** answer answers calls, or undefined if one of them cannot be answered here. */
export async function answer(database: Kept, account: string, calls: Invocation[]): Promise<Invocation[] | undefined> {
  if (!calls.every(([name, args]) => name in methods && args.accountId === account)) return undefined;
  const emails = (await database.all<Email>("emails")).sort(newestFirst);
  const mailboxes = (await database.get<Mailbox[]>("state", "mailboxes")) ?? [];
  const done: Invocation[] = [];
  for (const [name, args, id] of calls) done.push([name, methods[name]!(resolve(args, done), { emails, mailboxes }), id]);
  return done;
}

/** newestFirst is the order of the server: what arrived in the same second stands as it came. */
function newestFirst(a: Email, b: Email): number {
  return a.receivedAt === b.receivedAt ? Number(b.id.slice(1)) - Number(a.id.slice(1)) : a.receivedAt < b.receivedAt ? 1 : -1;
}

interface World {
  emails: Email[]; // newest first
  mailboxes: Mailbox[];
}

const methods: Record<string, (args: any, w: World) => any> = {
  "Mailbox/get": (_, w) => ({ state, list: w.mailboxes, notFound: [] }),
  "Email/get": (args, w) => got(args.ids, w.emails),
  "Thread/get": (args, w) => got(args.ids, threads(w.emails)),
  "Email/query": (args, w) => {
    const found = w.emails.filter((e) => matches(args.filter, e));
    const seen = new Set<string>();
    const rows = args.collapseThreads ? found.filter((e) => !seen.has(e.threadId) && seen.add(e.threadId)) : found;
    const position = args.position ?? 0;
    return { queryState: state, canCalculateChanges: false, position, total: rows.length, ids: rows.slice(position, position + (args.limit ?? rows.length)).map((e) => e.id) };
  },
};

function got(ids: string[], known: { id: string }[]): any {
  const byId = new Map(known.map((k) => [k.id, k]));
  return { state, list: ids.flatMap((id) => byId.get(id) ?? []), notFound: ids.filter((id) => !byId.has(id)) };
}

function threads(emails: Email[]): { id: string; emailIds: string[] }[] {
  const all = new Map<string, string[]>();
  for (const e of emails) all.set(e.threadId, [e.id, ...(all.get(e.threadId) ?? [])]);
  return [...all].map(([id, emailIds]) => ({ id, emailIds }));
}

/** matches is a filter of RFC 8621 section 4.4.1, as far as the program asks for it. */
function matches(filter: any, e: Email): boolean {
  if (!filter) return true;
  if (filter.operator) {
    const results: boolean[] = filter.conditions.map((c: any) => matches(c, e));
    return filter.operator === "AND" ? results.every(Boolean) : filter.operator === "OR" ? results.some(Boolean) : !results.some(Boolean);
  }
  const has = (text: string | null | undefined, part: string) => !!text && text.toLowerCase().includes(part.toLowerCase());
  const people = (list: Email["from"], part: string) => !!list?.some((a) => has(a.name, part) || has(a.email, part));
  return Object.entries<any>(filter).every(([name, value]) => {
    switch (name) {
      case "inMailbox": return !!e.mailboxIds[value];
      case "inMailboxOtherThan": return Object.keys(e.mailboxIds).some((m) => !value.includes(m));
      case "hasKeyword": return !!e.keywords[value];
      case "notKeyword": return !e.keywords[value];
      case "hasAttachment": return e.hasAttachment === value;
      case "from": return people(e.from, value);
      case "to": return people(e.to, value);
      case "subject": return has(e.subject, value);
      case "text": return has(e.subject, value) || has(e.preview, value) || people(e.from, value) || people(e.to, value);
      case "before": return e.receivedAt < value;
      case "after": return e.receivedAt >= value;
      default: return true;
    }
  });
}

/** resolve puts results in the place of references to them (RFC 8620 section 3.7). */
function resolve(args: Record<string, any>, done: Invocation[]): Record<string, any> {
  return Object.fromEntries(Object.entries(args).map(([name, value]) => {
    if (!name.startsWith("#")) return [name, value];
    const result = done.find((d) => d[2] === value.resultOf)?.[1];
    return [name.slice(1), pointed(result, value.path.split("/").slice(1))];
  }));
}

function pointed(value: any, path: string[]): any {
  const [head, ...rest] = path;
  if (head === undefined || value === undefined) return value;
  if (head === "*") return (value as any[]).flatMap((v) => pointed(v, rest));
  return pointed(value[head], rest);
}
