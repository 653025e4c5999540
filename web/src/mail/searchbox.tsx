import { signal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { first, whenTold } from "../core/first";
import { api } from "../core/jmap";
import { mailboxes, seenPeople, type Address } from "../core/mail";
import { go, route } from "../core/route";
import { fold, lang, t } from "../core/text";
import { Icon } from "../ui/icon";
import { nameOf } from "./names";
import { operators, parseSearch, type Operator } from "./search";
import { coming, searching, store, stored } from "./state";

const mostRecents = 6;

/** Suggestion is what the word at the end of the field could become. */
interface Suggestion {
  icon: string;
  text: string;
  hint?: string;
  /** whole takes the place of all that is typed; else put takes that of the last word. */
  whole?: string;
  put?: string;
}

const recents = signal<string[]>([]);
const whose = (): string => `recents.${first?.account.id}`;
whenTold(() => (recents.value = (stored(whose()) ?? "").split("\n").filter((r) => r)));

function remember(search: string): void {
  if (search.length < 3) return;
  recents.value = [search, ...recents.peek().filter((r) => r !== search)].slice(0, mostRecents);
  store(whose(), recents.value.join("\n"));
}

/** SearchBox is the search field: it searches while somebody types, and offers operators, people and recent searches. */
export function SearchBox() {
  const field = useRef<HTMLInputElement>(null);
  const waits = useRef<string | undefined>(undefined); // what was typed while an answer was on its way
  const [typed, setTyped] = useState(route.value.search);
  const [open, setOpen] = useState(false);
  const [row, setRow] = useState(-1);
  const [found, setFound] = useState<Address[]>([]);
  const search = route.value.search;
  const own = useRef(search); // what this field asked for: what is typed beyond it stays
  useEffect(() => {
    if (search !== own.current) setTyped((own.current = search));
  }, [search]);
  const word = /(?:^|\s)(\S*)$/.exec(typed)?.[1] ?? "";
  useEffect(() => suggestPeople(word, setFound), [word]);
  const offered = open ? suggestions(typed, word, found) : [];

  const now = (text: string) => {
    waits.current = undefined;
    const wanted = text.trim().replace(/(^|\s)-?\p{L}+:$/u, "").trim();
    if (wanted.length === 1 && wanted !== search) return;
    if (wanted === route.peek().search) return;
    own.current = wanted;
    if (wanted) go({ page: "mail", search: wanted, thread: "" }, searching.peek());
    else go({ search: "", where: "" });
  };
  const type = (text: string) => {
    setTyped(text);
    setRow(-1);
    setOpen(true);
    // Each letter searches at once, but one search at a time: what was typed meanwhile is searched for when its answer is there.
    if (coming.peek()) waits.current = text;
    else now(text);
  };
  useSignalEffect(() => {
    if (!coming.value && waits.current !== undefined) queueMicrotask(() => waits.current !== undefined && now(waits.current));
  });
  const take = (s: Suggestion) => {
    const text = s.whole ?? typed.slice(0, typed.length - word.length) + s.put!;
    setRow(-1);
    setTyped(text);
    field.current!.value = text;
    field.current!.focus();
    setOpen(!s.whole);
    if (text.endsWith(":")) return;
    now(text);
    if (s.whole) remember(text);
  };
  const submit = (e: Event) => {
    e.preventDefault();
    if (offered[row]) return take(offered[row]!);
    now(typed);
    remember(typed.trim());
    setOpen(false);
    setTimeout(() => document.querySelector<HTMLElement>("#list .row[tabindex='0']")?.focus(), 200);
  };
  const keys = (e: KeyboardEvent) => {
    const n = offered.length;
    if (e.key === "ArrowDown" && n > 0) setRow((row + 1) % n);
    else if (e.key === "ArrowUp" && n > 0) setRow((row - 1 + n) % n);
    else if (e.key === "Escape" && open && n > 0 && typed) setOpen(false);
    else if (e.key === "Escape") {
      type("");
      now("");
      setOpen(false);
      field.current!.blur();
      document.querySelector<HTMLElement>("#list .row[tabindex='0']")?.focus({ preventScroll: true });
    } else return;
    e.preventDefault();
    e.stopPropagation();
  };
  return (
    <form role="search" class="search" onSubmit={submit} onFocusOut={(e) => !(e.currentTarget as Element).contains(e.relatedTarget as Node) && setOpen(false)}>
      <Icon name="search" />
      <input
        ref={field} id="search" type="text" inputMode="search" enterkeyhint="search" placeholder={t("search")} aria-label={t("search")} autocomplete="off" spellcheck={false}
        role="combobox" aria-expanded={offered.length > 0} aria-controls="search-list" aria-autocomplete="list" aria-activedescendant={row >= 0 ? `search-${row}` : undefined}
        value={typed} onInput={(e) => type(e.currentTarget.value)} onFocus={() => setOpen(true)} onClick={() => setOpen(true)} onKeyDown={keys}
      />
      {typed && (
        <button type="button" class="icon search-clear" aria-label={t("clear_search")} onClick={() => (type(""), now(""), field.current!.focus())}><Icon name="x" /></button>
      )}
      <div id="search-list" class="search-list" role="listbox" tabIndex={-1} aria-label={t("suggestions")} hidden={offered.length === 0}>
        {offered.map((s, i) => (
          <div
            key={i} id={`search-${i}`} role="option" aria-selected={i === row} class={`menu-item ${i === row ? "at" : ""}`}
            onPointerDown={(e) => e.preventDefault()} onClick={() => take(s)} onPointerMove={() => i !== row && setRow(i)}
          >
            <Icon name={s.icon} /><span class="menu-label">{s.text}</span>{s.hint && <span class="soft">{s.hint}</span>}
          </div>
        ))}
      </div>
    </form>
  );
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

function suggestions(typed: string, word: string, found: Address[]): Suggestion[] {
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
  if (!typed.trim()) for (const r of recents.value) list.push({ icon: "history", text: r, whole: r });
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
function suggestPeople(word: string, tell: (found: Address[]) => void): () => void {
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

/** Terms are the operators of a search, each of which can be taken away. */
export function Terms() {
  const terms = parseSearch(route.value.search);
  const shown = terms.filter((x) => x.operator);
  if (shown.length === 0) return null;
  const without = (gone: (typeof terms)[number]) => terms.filter((x) => x !== gone).map((x) => x.raw).join(" ");
  return (
    <>
      {shown.map((x) => (
        <button key={x.raw} type="button" class="chip term" onClick={() => go({ search: without(x), ...(without(x) ? {} : { where: "" }) }, true)}>
          {x.not && <span>{t("not_word")} </span>}{t(`operator_${x.operator}`)}: {x.value} <Icon name="x" /><span class="hidden">{t("remove_term")}</span>
        </button>
      ))}
    </>
  );
}
