// What people type into the search field, as a filter of JMAP (RFC 8621 section 4.4.1): words, "phrases" and operators
// such as from:anna, in any of the three languages, each with a - before it for its opposite.

import { labelCalled } from "../core/labels";
import type { Filter } from "../core/list";
import { mailboxes, type Mailbox } from "../core/mail";
import { fold } from "../core/text";

/** Term is a word, a phrase, or an operator with its value. */
interface Term {
  operator: Operator | "";
  value: string;
  not: boolean;
  /** raw is how it was typed. */
  raw: string;
}

export type Operator = "from" | "to" | "cc" | "subject" | "body" | "has" | "is" | "before" | "after" | "on" | "larger" | "smaller" | "in" | "filename" | "label";

/** operators are the names of each; the first three are those of Swedish, Norwegian and English. */
export const operators: Record<Operator, string[]> = {
  from: ["från", "fra", "from", "fran"],
  to: ["till", "til", "to"],
  cc: ["kopia", "kopi", "cc"],
  subject: ["ämne", "emne", "subject", "amne"],
  body: ["text", "tekst", "body"],
  has: ["har", "har", "has"],
  is: ["är", "er", "is", "ar"],
  before: ["före", "før", "before", "fore"],
  after: ["efter", "etter", "after", "since"],
  on: ["den", "den", "on"],
  larger: ["större", "større", "larger", "storre"],
  smaller: ["mindre", "mindre", "smaller"],
  in: ["i", "i", "in"],
  filename: ["fil", "fil", "filename", "file"],
  label: ["etikett", "etikett", "label"],
};

/** flags are the values of is: and has:, by any of their names. */
const flags: Record<string, Filter> = {};
for (const [names, filter] of [
  ["unread oläst ulest olast", { notKeyword: "$seen" }],
  ["read läst lest last", { hasKeyword: "$seen" }],
  ["starred stjärnmärkt stjerne stjarnmarkt flagged star stjärna", { hasKeyword: "$flagged" }],
  ["answered besvarad besvart", { hasKeyword: "$answered" }],
  ["draft utkast kladd", { hasKeyword: "$draft" }],
  ["attachment bilaga vedlegg attachments bilagor fil", { hasAttachment: true }],
] as [string, Filter][]) for (const name of names.split(" ")) flags[fold(name)] = filter;

const byName = new Map<string, Operator>();
for (const [operator, names] of Object.entries(operators)) for (const name of names) byName.set(fold(name), operator as Operator);

/** parseSearch reads what was typed. What looks like an operator and is none is a word. */
export function parseSearch(search: string): Term[] {
  const terms: Term[] = [];
  for (const m of search.matchAll(/(-?)(?:(\p{L}+):(?=\S))?(?:"([^"]*)"?|(\S+))/gu)) {
    const [raw, minus, name = "", quoted, word = ""] = m;
    const operator = byName.get(fold(name));
    const term: Term = { operator: operator ?? "", value: quoted ?? word, not: minus === "-", raw: raw! };
    if (name && !operator) term.value = `${name}:${term.value}`;
    if (operator && !meant(term)) Object.assign(term, { operator: "", value: `${name}:${term.value}` });
    if (term.value) terms.push(term);
  }
  return terms;
}

/** meant tells whether the value of an operator can be understood. */
function meant(term: Term): boolean {
  return !isEmpty(condition(term));
}

/** filterOf is the filter of a search, in one mailbox or, without one, in all but junk and trash. */
export function filterOf(terms: Term[], where?: Mailbox): Filter {
  const conditions: Filter[] = [];
  for (const term of terms) {
    const c = condition(term);
    if (!isEmpty(c) && c !== anywhere) conditions.push(term.not ? { operator: "NOT", conditions: [c] } : c);
  }
  if (where) conditions.push({ inMailbox: where.id });
  else if (!terms.some((t) => t.operator === "in" && !t.not)) {
    const hidden = mailboxes.value.filter((m) => m.role === "trash" || m.role === "junk").map((m) => m.id);
    if (hidden.length) conditions.push({ inMailboxOtherThan: hidden });
  }
  return conditions.length === 1 ? conditions[0]! : { operator: "AND", conditions };
}

const anywhere: Filter = { anywhere: true };
const isEmpty = (f: Filter): boolean => Object.keys(f).length === 0;

/** condition is the filter of one term; empty if its value means nothing. */
function condition({ operator, value }: Term): Filter {
  switch (operator) {
    case "from": case "to": case "cc": case "subject": case "body":
      return { [operator]: value };
    case "has": case "is":
      return flags[fold(value)] ?? {};
    case "label":
      return { hasKeyword: labelCalled(value) ?? value.toLowerCase() };
    case "filename":
      return { operator: "AND", conditions: [{ hasAttachment: true }, { body: value }] };
    case "in": {
      if (/^(anywhere|all|everywhere|överallt|overalt|alla|alle)$/i.test(value)) return anywhere;
      const m = namedMailbox(value);
      return m ? { inMailbox: m.id } : {};
    }
    case "larger": case "smaller": {
      const n = octets(value);
      return n === undefined ? {} : { [operator === "larger" ? "minSize" : "maxSize"]: n };
    }
    case "before": case "after": case "on": {
      const span = days(value);
      if (!span) return {};
      if (operator === "before") return { before: span[0].toISOString() };
      if (operator === "after") return { after: span[0].toISOString() };
      return { operator: "AND", conditions: [{ after: span[0].toISOString() }, { before: span[1].toISOString() }] };
    }
  }
  return { text: /\s/.test(value) ? `"${value}"` : value };
}

const roleNames: Record<string, string> = {
  inkorg: "inbox", inkorgen: "inbox", innboks: "inbox", innboksen: "inbox", skickat: "sent", sendt: "sent", utkast: "drafts", kladder: "drafts", skräppost: "junk",
  spam: "junk", søppelpost: "junk", papperskorg: "trash", papperskorgen: "trash", papirkurv: "trash", papirkurven: "trash", bin: "trash", arkiv: "archive",
};

/** namedMailbox is the mailbox that is meant by a role or a name in any language. */
function namedMailbox(name: string): Mailbox | undefined {
  const wanted = fold(name);
  const role = Object.entries(roleNames).find(([n]) => fold(n) === wanted)?.[1] ?? wanted;
  const all = mailboxes.value;
  return all.find((m) => m.role === role) ?? all.find((m) => fold(m.name) === wanted) ?? (wanted.length > 2 ? all.find((m) => fold(m.name).startsWith(wanted)) : undefined);
}

/** octets reads "5M", "300 k", "1.5 GB". */
function octets(text: string): number | undefined {
  const m = /^(\d+(?:[.,]\d+)?)\s*([kmg]?)b?$/i.exec(text);
  if (!m) return undefined;
  return Math.round(Number(m[1]!.replace(",", ".")) * { "": 1, k: 1e3, m: 1e6, g: 1e9 }[m[2]!.toLowerCase() as "" | "k" | "m" | "g"]);
}

const dayNames: Record<string, number> = {};
for (const names of ["söndag måndag tisdag onsdag torsdag fredag lördag", "søndag mandag tirsdag onsdag torsdag fredag lørdag", "sunday monday tuesday wednesday thursday friday saturday"])
  names.split(" ").forEach((name, i) => (dayNames[fold(name)] = i));

const spans: Record<string, "today" | "yesterday" | "week" | "month" | "year"> = {
  today: "today", idag: "today", "i dag": "today", yesterday: "yesterday", igar: "yesterday", "i gar": "yesterday",
  week: "week", vecka: "week", veckan: "week", uke: "week", uka: "week", month: "month", manad: "month", maned: "month", year: "year", ar: "year",
};

/** days is the span of time that a date means: a day, a month, a year, "yesterday", "monday", "7d". */
export function days(text: string, now = new Date()): [Date, Date] | undefined {
  const f = fold(text);
  const midnight = (back: number) => new Date(now.getFullYear(), now.getMonth(), now.getDate() - back);
  switch (spans[f]) {
    case "today": return [midnight(0), midnight(-1)];
    case "yesterday": return [midnight(1), midnight(0)];
    case "week": return [midnight((now.getDay() + 6) % 7), midnight(-1)];
    case "month": return [new Date(now.getFullYear(), now.getMonth(), 1), midnight(-1)];
    case "year": return [new Date(now.getFullYear(), 0, 1), midnight(-1)];
  }
  if (f in dayNames) {
    const back = (now.getDay() - dayNames[f]! + 7) % 7;
    return [midnight(back), midnight(back - 1)];
  }
  return daysAgo(f, midnight) ?? calendar(f);
}

/** daysAgo reads "7d", "2 weeks" as "2w". */
function daysAgo(text: string, midnight: (back: number) => Date): [Date, Date] | undefined {
  const [, count, unit] = text.match(/^(\d{1,4})([dwmyvua])$/) ?? [];
  if (!count) return undefined;
  const n = Number(count) * ({ d: 1, w: 7, v: 7, u: 7, m: 30 }[unit!] ?? 365);
  return [midnight(n), midnight(n - 1)];
}

/** calendar reads a day, a month or a year: 2026-11-22, 2026-11, 2026. */
function calendar(text: string): [Date, Date] | undefined {
  const [, y, m, d] = text.match(/^(\d{4})(?:[-/.](\d{1,2}))?(?:[-/.](\d{1,2}))?$/)?.map(Number) ?? [];
  if (!y) return undefined;
  if (!m) return [new Date(y, 0, 1), new Date(y + 1, 0, 1)];
  return d ? [new Date(y, m - 1, d), new Date(y, m - 1, d + 1)] : [new Date(y, m - 1, 1), new Date(y, m, 1)];
}
