// The few methods of JMAP that can be answered from what is kept: reading mailboxes, lists, conversations and messages. What
// is done with messages is noted, for when the line is back.

import { accountOf, type Invocation } from "../core/jmap";
import type { Filter, Sort } from "../core/list";
import type { Mailbox } from "../core/mail";
import type { Kept } from "./database";
import type { Change, Later } from "./later";
import { matches, newestFirst, sorted, wantsTexts, type Full } from "./matches";

/** state is that of all answers here: no server ever knows it, so a list is read anew once the line is back. */
const state = "offline";

/** answer answers calls, or undefined if one of them cannot be answered here. */
export async function answer(database: Kept, later: Later, calls: Invocation[]): Promise<Invocation[] | undefined> {
  if (calls.every(([name, args]) => name === "Email/set" && later.takes(args))) {
    const done: Invocation[] = [];
    for (const [name, args, id] of calls) done.push([name, await later.take(args as Change), id]);
    return done;
  }
  // A list that asks what changed in it asks for all of it then.
  if (calls.every(([name]) => name === "Email/queryChanges")) return calls.map(([, , id]) => ["error", { type: "cannotCalculateChanges" }, id]);
  if (!calls.every(([name]) => name in methods)) return undefined;
  const known = new Map<string, World>();
  const done: Invocation[] = [];
  for (const [name, args, id] of calls) {
    const asked = resolve(args, done);
    const { accountId } = asked;
    const w = known.get(accountId) ?? (await world(database, accountId, calls));
    if (!w) return undefined;
    known.set(accountId, w);
    done.push([name, { accountId, ...methods[name]!(asked, w) }, id]);
  }
  return done;
}

/** Asked are the arguments of all these methods, once what they refer to is there. */
interface Asked {
  accountId: string;
  ids: string[] | null;
  fetchTextBodyValues?: boolean;
  filter?: Filter;
  sort?: Sort[];
  collapseThreads?: boolean;
  position?: number;
  limit?: number;
}

interface World {
  emails: Full[]; // newest first
  mailboxes: Mailbox[];
  identities: { id: string }[];
  text: (id: string) => string;
}

/** world is what is kept of an account, if something is. */
async function world(database: Kept, account: string, calls: Invocation[]): Promise<World | undefined> {
  const mailboxes = await database.get<Mailbox[]>("state", `mailboxes-${account}`);
  if (!mailboxes) return undefined;
  const emails = (await database.all<Full>("emails")).filter((e) => accountOf(e.id) === account).sort(newestFirst);
  const texts = new Map<string, string>();
  const wanted = calls.some(([, args]) => wantsTexts((args as Asked).filter) || (args as Asked).fetchTextBodyValues);
  if (wanted) for (const t of await database.all<{ id: string; text: string }>("texts")) texts.set(t.id, t.text);
  const identities = (await database.get<{ id: string }[]>("state", "identities")) ?? [];
  return { emails, mailboxes, identities, text: (id) => texts.get(id) ?? "" };
}

const methods: Record<string, (args: Asked, w: World) => object> = {
  "Mailbox/get": (_, w) => ({ state, list: w.mailboxes, notFound: [] }),
  "Identity/get": (_, w) => {
    if (w.identities.length === 0) throw new Error("not kept");
    return { state, list: w.identities, notFound: [] };
  },
  "Email/get": (args, w) => {
    const answer = got(args.ids, w.emails);
    return args.fetchTextBodyValues ? { ...answer, list: answer.list.map((e) => withText(e, w.text(e.id))) } : answer;
  },
  "Thread/get": (args, w) => got(args.ids, threads(w.emails)),
  "Email/query": (args, w) => {
    const found = sorted(w.emails.filter((e) => matches(args.filter, e, () => w.text(e.id))), args.sort);
    const seen = new Set<string>();
    const rows = args.collapseThreads ? found.filter((e) => !seen.has(e.threadId) && seen.add(e.threadId)) : found;
    const position = args.position ?? 0;
    return { queryState: state, canCalculateChanges: false, position, total: rows.length, ids: rows.slice(position, position + (args.limit ?? rows.length)).map((e) => e.id) };
  },
};

/** got are those with some ids. It throws if one is not kept, of which nobody knows here whether it is gone. */
function got<T extends { id: string }>(ids: string[] | null, known: T[]): { state: string; list: T[]; notFound: string[] } {
  if (!ids) return { state, list: known, notFound: [] };
  const byId = new Map(known.map((k) => [k.id, k]));
  if (!ids.every((id) => byId.has(id))) throw new Error("not kept");
  return { state, list: ids.map((id) => byId.get(id)!), notFound: [] };
}

/** withText is an email to be answered. A draft would lose what is not kept of it, and is not opened. */
function withText(e: Full, value: string): object {
  if (e.keywords.$draft || !value) throw new Error("not kept");
  const parts = [{ partId: "kept", type: "text/plain", blobId: null, size: value.length, name: null, disposition: null, cid: null }];
  return { ...e, textBody: parts, htmlBody: parts, bodyValues: { kept: { value } } };
}

function threads(emails: Full[]): { id: string; emailIds: string[] }[] {
  const all = new Map<string, string[]>();
  for (const e of emails) all.set(e.threadId, [e.id, ...(all.get(e.threadId) ?? [])]);
  return [...all].map(([id, emailIds]) => ({ id, emailIds }));
}

/** resolve puts results in the place of references to them (RFC 8620 section 3.7). */
function resolve(args: object, done: Invocation[]): Asked {
  return Object.fromEntries(Object.entries(args).map(([name, value]) => {
    if (!name.startsWith("#")) return [name, value];
    const { resultOf, path } = value as { resultOf: string; path: string };
    const result = done.find((d) => d[2] === resultOf)?.[1];
    return [name.slice(1), pointed(result, path.split("/").slice(1))];
  })) as unknown as Asked;
}

function pointed(value: unknown, path: string[]): unknown {
  const [head, ...rest] = path;
  if (head === undefined || value === undefined) return value;
  if (head === "*") return (value as unknown[]).flatMap((v) => pointed(v, rest));
  return pointed((value as Record<string, unknown>)[head], rest);
}
