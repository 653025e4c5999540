// The fields To, Cc and Bcc: a chip for each addressee.

import type { Signal } from "@preact/signals";
import { useRef, useState } from "preact/hooks";
import { t } from "../core/text";
import { Icon } from "../ui/icon";
import { useName } from "../ui/id";
import { isAddress, readAddresses, written, type Chip } from "./addresses";
import { Chips } from "./chips";
import { Combobox } from "./combobox";
import { suggest, suggestNoMore, type Person } from "./suggest";

/** Line is a field as the others see it, which chips can be moved to; open shows it. */
export interface Line {
  label: string;
  chips: Signal<Chip[]>;
  open: () => void;
}

/** kind is what is dragged: a chip. */
const kind = "application/x-postiljon-addressee";

/** dragged is the chip that is dragged, and the field that it comes from. */
let dragged: { chip: Chip; from: Signal<Chip[]> } | undefined;

export function Recipients({ label, chips, others, inputRef, onEnter }: Line & { others: Line[]; inputRef: { current: HTMLInputElement | null }; onEnter?: () => void }) {
  const [text, setText] = useState("");
  const { people, propose, forget } = useProposals(chips);
  const list = useRef<HTMLUListElement>(null);
  const help = useName();

  const clear = () => {
    setText("");
    propose("");
  };
  const add = (more: Chip[]) => {
    addTo(chips, more);
    clear();
  };
  const take = () => text.trim() && add(readAddresses(text));
  const type = (value: string) => {
    // A comma or semicolon ends an address.
    if (/[,;]\s*$/.test(value) && value.split('"').length % 2 === 1) return add(readAddresses(value));
    setText(value);
    propose(value.trim());
  };
  const remove = (c: Chip) => {
    chips.value = chips.peek().filter((x) => x !== c);
  };
  const edit = (c: Chip) => {
    remove(c);
    setText(written(c));
    inputRef.current?.focus();
  };
  /** focus goes to a chip, or to the field where there is none. */
  const focus = (i: number) => (list.current?.querySelectorAll<HTMLElement>(".addressee-name")[i] ?? inputRef.current)?.focus();
  const keys = (e: KeyboardEvent) => {
    const n = chips.peek().length;
    const field = inputRef.current!;
    const atStart = n > 0 && field.selectionStart === 0 && field.selectionEnd === 0;
    if (e.key === "Enter" && !e.ctrlKey && !e.metaKey) {
      if (text.trim()) take();
      else onEnter?.();
    } else if (e.key === " " && isAddress(text.trim())) take();
    else if ((e.key === "Backspace" || e.key === "ArrowLeft") && atStart) focus(n - 1);
    else return;
    e.preventDefault();
  };
  const { over, drag, on } = useChipDrop(chips, add);
  const paste = (e: ClipboardEvent) => {
    const all = readAddresses(e.clipboardData?.getData("text/plain") ?? "");
    if (!all.length || (all.length === 1 && all[0]!.bad)) return;
    e.preventDefault();
    add(all);
  };
  const toField = (e: MouseEvent) => {
    if (e.target !== e.currentTarget) return;
    e.preventDefault();
    inputRef.current?.focus();
  };

  return (
    <div class={`recipients ${over ? "over" : ""}`} role="group" aria-label={label} onMouseDown={toField} {...on}>
      <Chips listRef={list} chips={chips} others={others} focus={focus} edit={edit} remove={remove} drag={drag} />
      <Combobox<Person>
        label={label} value={text} inputRef={inputRef} describedBy={help} options={people} option={(p) => <Proposal p={p} />} name={(p) => p.name ?? p.email}
        onInput={type} onKeyDown={keys} onBlur={take} onPaste={paste} onChoose={(p) => add([{ name: p.name, email: p.email }])} removable={(p) => p.recent} onRemove={forget}
      />
      <span id={help} hidden>{t("recipients_help")}</span>
    </div>
  );
}

/** useChipDrop lets chips be dragged from field to field. */
function useChipDrop(chips: Signal<Chip[]>, add: (more: Chip[]) => void) {
  const [over, setOver] = useState(false);
  const drag = (e: DragEvent, chip: Chip) => {
    dragged = { chip, from: chips };
    e.dataTransfer!.setData(kind, chip.email);
    e.dataTransfer!.setData("text/plain", written(chip));
    e.dataTransfer!.effectAllowed = "move";
  };
  const on = {
    onDragOver: (e: DragEvent) => {
      if (!dragged || dragged.from === chips || !e.dataTransfer?.types.includes(kind)) return;
      e.preventDefault();
      setOver(true);
    },
    onDragLeave: () => setOver(false),
    onDrop: (e: DragEvent) => {
      setOver(false);
      if (!dragged || dragged.from === chips) return;
      e.preventDefault();
      e.stopPropagation();
      const { chip, from } = dragged;
      from.value = from.peek().filter((x) => x !== chip);
      add([chip]);
      dragged = undefined;
    },
  };
  return { over, drag, on };
}

/** addTo adds chips whose addresses are not there yet. */
function addTo(chips: Signal<Chip[]>, more: Chip[]): void {
  const there = new Set(chips.peek().map((c) => c.email.toLowerCase()));
  const fresh = more.filter((c) => !there.has(c.email.toLowerCase()) && there.add(c.email.toLowerCase()));
  if (fresh.length) chips.value = [...chips.peek(), ...fresh];
}

/** useProposals are people who may be meant by what is typed, but for those who have a chip already. */
function useProposals(chips: Signal<Chip[]>): { people: Person[]; propose: (text: string) => void; forget: (p: Person) => void } {
  const [people, setPeople] = useState<Person[]>([]);
  const asked = useRef(0);
  const propose = (text: string) => {
    const mine = ++asked.current;
    if (!text) return setPeople([]);
    suggest(text).then((found) => {
      const there = new Set(chips.peek().map((c) => c.email.toLowerCase()));
      if (mine === asked.current) setPeople(found.filter((p) => !there.has(p.email.toLowerCase())));
    }, () => {});
  };
  const forget = (p: Person) => {
    setPeople(people.filter((x) => x !== p));
    suggestNoMore(p.email).catch(() => {});
  };
  return { people, propose, forget };
}

function Proposal({ p }: { p: Person }) {
  return (
    <>
      <span class="person">{p.name || p.email}{p.recent && <Icon name="history" />}</span>
      {p.name && <span class="soft">{p.email}</span>}
      {p.why && <span class="why">{p.why}</span>}
    </>
  );
}
