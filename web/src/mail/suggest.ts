// What the search field suggests: operators with their values, people, recent searches; loaded when somebody comes into it.

import { api } from "../core/jmap";
import { mailboxes, seenPeople, type Address } from "../core/mail";
import { fold, lang, t } from "../core/text";
import { nameOf } from "./names";
import { operators, type Operator } from "./search";

/** Suggestion is what the word at the end of the field could become. */
export interface Suggestion {
  icon: string;
  text: string;
  hint?: string;
  /** whole takes the place of all that is typed; else put takes that of the last word. */
  whole?: string;
  put?: string;
}

const mine = (): number => (lang === "sv" ? 0 : lang === "nb" ? 1 : 2);
const name = (o: Operator): string => operators[o][mine()]!;

/** values are those of operators that have few. */
const values: Partial<Record<Operator, string[][]>> = {
  is: [["oläst", "stjärnmärkt", "läst", "besvarad"], ["ulest", "stjerne", "lest", "besvart"], ["unread", "starred", "read", "answered"]],
  has: [["bilaga"], ["vedlegg"], ["attachment"]],
  before: [["igår", "vecka", "2026-01-01"], ["i går", "uke", "2026-01-01"], ["yesterday", "week", "2026-01-01"]],
  after: [["igår", "vecka", "månad"], ["i går", "uke", "måned"], ["yesterday", "week", "month"]],
  larger: [["5M", "20M"], ["5M", "20M"], ["5M", "20M"]],
};

const shownFirst: Operator[] = ["from", "to", "subject", "has", "is", "after", "before", "in", "filename", "larger"];
const quoted = (v: string): string => (/\s/.test(v) ? `"${v}"` : v);

/** suggestions are what the last word of what is typed could become, with people who were found for it; where nothing is typed, recent searches. */
export function suggestions(typed: string, word: string, found: Address[], recents: string[]): Suggestion[] {
  const list: Suggestion[] = [];
  const [, minus = "", op, value = ""] = /^(-?)(\p{L}+):"?(.*)$/u.exec(word) ?? [];
  const operator = op && (Object.keys(operators) as Operator[]).find((o) => operators[o].some((n) => fold(n) === fold(op)));
  if (operator) {
    const f = fold(value);
    if (operator === "from" || operator === "to" || operator === "cc") for (const a of found) list.push({ icon: "user", text: a.name || a.email, hint: a.name ? a.email : undefined, put: `${minus}${op}:${a.email} ` });
    else if (operator === "in") {
      for (const m of mailboxes.value) if (fold(nameOf(m)).includes(f) && m.role !== "outbox") list.push({ icon: "folder", text: nameOf(m), put: `${minus}${op}:${quoted(m.role ? nameOf(m) : m.name)} ` });
    } else for (const v of values[operator]?.[mine()] ?? []) if (fold(v).startsWith(f)) list.push({ icon: "filter", text: `${op}:${v}`, put: `${minus}${op}:${quoted(v)} ` });
    return list.slice(0, 8);
  }
  if (!typed.trim()) for (const r of recents) list.push({ icon: "history", text: r, whole: r });
  const f = fold(word);
  if (f.length > 1) for (const a of found.slice(0, 4)) list.push({ icon: "user", text: a.name || a.email, hint: t("mail_from_hint"), put: `${name("from")}:${a.email} ` });
  for (const o of shownFirst) {
    if (f && !fold(name(o)).startsWith(f)) continue;
    list.push({ icon: "filter", text: t(`operator_${o}`), hint: `${name(o)}:${t(`example_${o}`)}`, put: `${name(o)}:` });
  }
  return list.slice(0, f ? 8 : 14);
}

/** pause is how long it is waited for another letter before the server is asked for people, in milliseconds. */
const pause = 100;

let known = true; // whether the server has people to suggest

/** suggestPeople finds people by the beginning of a name or an address: those of the contacts, and those of mail that was seen. */
export function suggestPeople(word: string, tell: (found: Address[]) => void): () => void {
  const text = word.replace(/^-?\p{L}*:"?/u, "");
  const f = fold(text);
  if (!f && !word.includes(":")) {
    tell([]);
    return () => {};
  }
  let over = false;
  const local = [...seenPeople().values()].filter((a) => fold(`${a.name ?? ""} ${a.email}`).split(/[\s.@<"]+/).some((part) => part.startsWith(f))).slice(0, 8);
  tell(local);
  const ask = () => {
    api<{ list: Address[] }>("GET", `/api/contacts/suggest?limit=8&q=${encodeURIComponent(text)}`).then(
      (answer) => {
        const list: Address[] = answer.list;
        const all = new Map([...list, ...local].map((a) => [(a.email ?? "").toLowerCase(), a]));
        all.delete("");
        if (!over) tell([...all.values()].slice(0, 8));
      },
      (error) => error.detail?.status === 404 && (known = false),
    );
  };
  const soon = known && f ? setTimeout(ask, pause) : undefined; // what is searched for comes first
  return () => {
    over = true;
    clearTimeout(soon);
  };
}
