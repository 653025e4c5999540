// Which kept emails a filter lets through, and in which order they are asked for.

import type { Filter, Sort } from "../core/list";
import type { Address, Email } from "../core/mail";

/** Full is an email as it is kept. */
export interface Full extends Email {
  cc?: Address[] | null;
  bcc?: Address[] | null;
  attachments?: { partId: string; name: string | null; type: string; size: number; disposition: string | null; cid: string | null }[];
}

/** wantsTexts tells whether a filter looks into the texts of emails. */
export function wantsTexts(filter?: Filter): boolean {
  return !!filter && (filter.operator ? inside(filter).some(wantsTexts) : "text" in filter || "body" in filter);
}

/** matches is a filter of RFC 8621 section 4.4.1; text is the email's. It throws at what is not known here. */
export function matches(filter: Filter | undefined, e: Full, text: () => string): boolean {
  if (!filter) return true;
  if (filter.operator) {
    const results = inside(filter).map((c) => matches(c, e, text));
    return filter.operator === "AND" ? results.every(Boolean) : filter.operator === "OR" ? results.some(Boolean) : !results.some(Boolean);
  }
  return Object.entries(filter).every(([name, value]) => {
    const condition = conditions[name as keyof Values] as ((e: Full, value: unknown, text: () => string) => boolean) | undefined;
    if (!condition) throw new Error(`no such condition here: ${name}`);
    return condition(e, value, text);
  });
}

/** inside are the filters that one joins. */
const inside = (filter: Filter): Filter[] => filter.conditions as Filter[];

const fold = (s: string): string => s.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/** has tells whether something stands in one of some texts: all words of it, or as it is in quotation marks. */
function has(part: string, ...texts: (string | null | undefined)[]): boolean {
  const all = fold(texts.filter(Boolean).join("\n")).replace(/\s+/g, " ");
  const [, exact] = /^"(.*)"$/.exec(part) ?? [];
  return exact === undefined ? fold(part).split(/\s+/).every((w) => all.includes(w)) : all.includes(fold(exact));
}

const named = (list: Address[] | null | undefined): string => (list ?? []).map((a) => `${a.name ?? ""} ${a.email}`).join("\n");
const files = (e: Full): string => (e.attachments ?? []).map((a) => a.name ?? "").join("\n");

/** Values are the conditions that are known here, by what each compares with. */
type Values = Record<"inMailbox" | "hasKeyword" | "notKeyword" | "from" | "to" | "cc" | "bcc" | "subject" | "body" | "text" | "before" | "after", string>
  & { inMailboxOtherThan: string[]; hasAttachment: boolean; minSize: number; maxSize: number };

const conditions: { [name in keyof Values]: (e: Full, value: Values[name], text: () => string) => boolean } = {
  inMailbox: (e, v) => !!e.mailboxIds[v],
  inMailboxOtherThan: (e, v) => Object.keys(e.mailboxIds).some((m) => !v.includes(m)),
  hasKeyword: (e, v) => !!e.keywords[v],
  notKeyword: (e, v) => !e.keywords[v],
  hasAttachment: (e, v) => e.hasAttachment === v,
  minSize: (e, v) => e.size >= v,
  maxSize: (e, v) => e.size < v,
  from: (e, v) => has(v, named(e.from)),
  to: (e, v) => has(v, named(e.to)),
  cc: (e, v) => has(v, named(e.cc)),
  bcc: (e, v) => has(v, named(e.bcc)),
  subject: (e, v) => has(v, e.subject),
  body: (e, v, text) => has(v, e.preview, text(), files(e)),
  text: (e, v, text) => has(v, e.subject, e.preview, named(e.from), named(e.to), named(e.cc), named(e.bcc), files(e), text()),
  before: (e, v) => Date.parse(e.receivedAt) < Date.parse(v),
  after: (e, v) => Date.parse(e.receivedAt) >= Date.parse(v),
};

const number = (id: string): number => Number(/\d+$/.exec(id)?.[0]);

/** newestFirst is the order of the server: what arrived in the same second stands as it came. */
export function newestFirst(a: Email, b: Email): number {
  return a.receivedAt === b.receivedAt ? number(b.id) - number(a.id) : a.receivedAt < b.receivedAt ? 1 : -1;
}

const plainSubject = (e: Email): string => fold((e.subject ?? "").replace(/^(?:\s*(?:re|sv|fw|fwd|vs|vb)\s*:)+\s*/i, ""));

const values: Record<string, (e: Full, s: Sort) => string | number> = {
  receivedAt: (e) => e.receivedAt,
  size: (e) => e.size,
  from: (e) => fold(e.from?.[0]?.name || e.from?.[0]?.email || ""),
  subject: plainSubject,
  hasKeyword: (e, s) => +!!e.keywords[s.keyword ?? ""],
};

/** sorted are emails, which come newest first, in an order of RFC 8621 section 4.4.2. */
export function sorted(emails: Full[], sort: Sort[] = []): Full[] {
  return [...emails].sort((a, b) => {
    for (const s of sort) {
      const of = values[s.property];
      if (!of) continue;
      const [x, y] = [of(a, s), of(b, s)];
      if (x !== y) return (x < y ? -1 : 1) * (s.isAscending === false ? -1 : 1);
    }
    return newestFirst(a, b);
  });
}
