import { signal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { first, whenTold } from "../core/first";
import { usePart } from "../core/load";
import type { Address } from "../core/mail";
import { go, route } from "../core/route";
import { t } from "../core/text";
import { Icon } from "../ui/icon";
import { parseSearch } from "./search";
import { coming, searching, store, stored } from "./state";
import type { Suggestion } from "./suggest";

const mostRecents = 6;

const recents = signal<string[]>([]);
const whose = (): string => `recents.${first?.account.id}`;
whenTold(() => (recents.value = (stored(whose()) ?? "").split("\n").filter((r) => r)));

function remember(search: string): void {
  if (search.length < 3) return;
  recents.value = [search, ...recents.peek().filter((r) => r !== search)].slice(0, mostRecents);
  store(whose(), recents.value.join("\n"));
}

/** forget takes a search out of those of late. */
function forget(search: string): void {
  recents.value = recents.peek().filter((r) => r !== search);
  store(whose(), recents.value.join("\n"));
}

/** SearchBox is the search field: it searches while somebody types, and offers operators, people and recent searches. */
export function SearchBox() {
  const field = useRef<HTMLInputElement>(null);
  const { typed, setTyped, type, now } = useTyping();
  const [open, setOpen] = useState(false);
  const [row, setRow] = useState(-1);
  const [found, setFound] = useState<Address[]>([]);
  const word = /(?:^|\s)(\S*)$/.exec(typed)?.[1] ?? "";
  const part = usePart<typeof import("./suggest")>("seldom", open, () => {}); // without them, one searches all the same
  useEffect(() => part?.suggestPeople(word, setFound), [word, part]);
  const offered = open && part ? part.suggestions(typed, word, found, recents.value) : [];

  const input = (text: string) => {
    type(text);
    setRow(-1);
    setOpen(true);
  };
  const clear = () => {
    input("");
    now("");
  };
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
    else if (e.key === "Delete" && e.shiftKey && offered[row]?.whole) forget(offered[row]!.whole!);
    else if (e.key === "Escape" && open && n > 0 && typed) setOpen(false);
    else if (e.key === "Escape") {
      clear();
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
        value={typed} onInput={(e) => input(e.currentTarget.value)} onFocus={() => setOpen(true)} onClick={() => setOpen(true)} onKeyDown={keys}
      />
      {typed && (
        <button type="button" class="icon search-clear" aria-label={t("clear_search")} onClick={() => (clear(), field.current!.focus())}><Icon name="x" /></button>
      )}
      <div id="search-list" class="search-list" role="listbox" tabIndex={-1} aria-label={t("suggestions")} hidden={offered.length === 0}>
        {offered.map((s, i) => <Offer key={i} s={s} id={`search-${i}`} at={i === row} take={() => take(s)} over={() => i !== row && setRow(i)} />)}
      </div>
    </form>
  );
}

/** Offer is one suggestion; a search of late can be forgotten. */
function Offer({ s, id, at, take, over }: { s: Suggestion; id: string; at: boolean; take: () => void; over: () => void }) {
  return (
    <div id={id} role="option" aria-selected={at} class={`menu-item ${at ? "at" : ""}`} onPointerDown={(e) => e.preventDefault()} onClick={take} onPointerMove={over}>
      <Icon name={s.icon} /><span class="menu-label">{s.text}</span>{s.hint && <span class="soft">{s.hint}</span>}
      {s.whole && <span class="option-remove" title={t("forget_search")} onClick={(e) => (e.stopPropagation(), forget(s.whole!))}><Icon name="x" /></span>}
    </div>
  );
}

/** useTyping has what is typed: type searches for it as soon as the search before has its answer, now at once. */
function useTyping() {
  const search = route.value.search;
  const [typed, setTyped] = useState(search);
  const waits = useRef<string | undefined>(undefined); // what was typed while an answer was on its way
  const own = useRef(search); // what this field asked for: what is typed beyond it stays
  useEffect(() => {
    if (search !== own.current) setTyped((own.current = search));
  }, [search]);
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
    // Each letter searches at once, but one search at a time: what was typed meanwhile is searched for when its answer is there.
    if (coming.peek()) waits.current = text;
    else now(text);
  };
  useSignalEffect(() => {
    if (!coming.value && waits.current !== undefined) queueMicrotask(() => waits.current !== undefined && now(waits.current));
  });
  return { typed, setTyped, type, now };
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
