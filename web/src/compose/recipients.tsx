// The fields To, Cc and Bcc: a chip for each addressee.

import type { Signal } from "@preact/signals";
import { useRef, useState } from "preact/hooks";
import { t } from "../core/text";
import { Combobox } from "./combobox";
import { Icon } from "../ui/icon";
import { openMenu } from "../ui/menu";
import { useName } from "../ui/id";
import { isAddress, readAddresses, written, type Chip } from "./addresses";
import { suggest, suggestNoMore, type Person } from "./suggest";

const kind = "application/x-postiljon-addressee";

/** drag is the chip that is dragged, and the field that it comes from. */
let drag: { chip: Chip; from: Signal<Chip[]> } | undefined;

export function Recipients({ label, chips, others, inputRef, onEnter }: {
  label: string;
  chips: Signal<Chip[]>;
  /** others are the other fields, to which a chip can be moved. */
  others: { label: string; chips: Signal<Chip[]>; open?: () => void }[];
  inputRef: { current: HTMLInputElement | null };
  onEnter?: () => void;
}) {
  const [text, setText] = useState("");
  const [people, setPeople] = useState<Person[]>([]);
  const [over, setOver] = useState(false);
  const list = useRef<HTMLUListElement>(null);
  const asked = useRef(0);
  const help = useName();

  const type = (value: string) => {
    // A comma or semicolon ends an address.
    if (/[,;]\s*$/.test(value) && value.split('"').length % 2 === 1) {
      add(readAddresses(value));
      return;
    }
    setText(value);
    const mine = ++asked.current;
    if (!value.trim()) return setPeople([]);
    suggest(value.trim()).then((found) => {
      const there = new Set(chips.peek().map((c) => c.email.toLowerCase()));
      if (mine === asked.current) setPeople(found.filter((p) => !there.has(p.email.toLowerCase())));
    }, () => {});
  };
  const add = (more: Chip[]) => {
    asked.current++;
    const there = new Set(chips.peek().map((c) => c.email.toLowerCase()));
    const fresh = more.filter((c) => !there.has(c.email.toLowerCase()) && there.add(c.email.toLowerCase()));
    if (fresh.length) chips.value = [...chips.peek(), ...fresh];
    setText("");
    setPeople([]);
  };
  const take = () => {
    if (text.trim()) add(readAddresses(text));
  };
  const remove = (c: Chip) => {
    chips.value = chips.peek().filter((x) => x !== c);
  };
  const edit = (c: Chip) => {
    remove(c);
    setText(written(c));
    inputRef.current?.focus();
  };
  const chipAt = (i: number) => {
    const all = list.current?.querySelectorAll<HTMLElement>(".addressee-name");
    const e = i < 0 || i >= (all?.length ?? 0) ? inputRef.current : all![i]!;
    e?.focus();
  };
  const keys = (e: KeyboardEvent) => {
    const n = chips.peek().length;
    const field = inputRef.current!;
    if (e.key === "Enter" && !e.ctrlKey && !e.metaKey) {
      e.preventDefault();
      if (text.trim()) take();
      else onEnter?.();
    } else if (e.key === " " && isAddress(text.trim())) {
      e.preventDefault();
      take();
    } else if (e.key === "Backspace" && field.selectionStart === 0 && field.selectionEnd === 0 && n) {
      e.preventDefault();
      chipAt(n - 1);
    } else if (e.key === "ArrowLeft" && field.selectionStart === 0 && field.selectionEnd === 0 && n) chipAt(n - 1);
  };
  const chipKeys = (e: KeyboardEvent, c: Chip, i: number) => {
    if (e.key === "ArrowLeft") chipAt(Math.max(0, i - 1));
    else if (e.key === "ArrowRight") chipAt(i + 1);
    else if (e.key === "Home") chipAt(0);
    else if (e.key === "End") chipAt(-1);
    else if (e.key === "Backspace" || e.key === "Delete") {
      remove(c);
      requestAnimationFrame(() => chipAt(chips.peek().length ? Math.min(i, chips.peek().length - 1) : -1));
    } else return;
    e.preventDefault();
  };
  const menu = (e: Event, c: Chip) => openMenu(e.currentTarget as Element, [
    { label: t("chip_edit"), icon: "pencil", run: () => edit(c) },
    { label: t("chip_copy"), icon: "copy", run: () => void navigator.clipboard.writeText(written(c)) },
    ...others.map((o) => ({
      label: t("chip_move", { field: o.label }), icon: "move", run: () => {
        remove(c);
        o.open?.();
        o.chips.value = [...o.chips.peek(), c];
      },
    })),
    { label: t("chip_remove"), icon: "x", run: () => remove(c), line: true },
  ], c.name ?? c.email);

  return (
    <div
      class={`recipients ${over ? "over" : ""}`}
      role="group"
      aria-label={label}
      onMouseDown={(e) => {
        if (e.target === e.currentTarget) {
          e.preventDefault();
          inputRef.current?.focus();
        }
      }}
      onDragOver={(e) => {
        if (!drag || drag.from === chips || !e.dataTransfer?.types.includes(kind)) return;
        e.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(e) => {
        setOver(false);
        if (!drag || drag.from === chips) return;
        e.preventDefault();
        e.stopPropagation();
        drag.from.value = drag.from.peek().filter((x) => x !== drag!.chip);
        add([drag.chip]);
        drag = undefined;
      }}
    >
      {chips.value.length > 0 && <ul ref={list} class="addressees">
        {chips.value.map((c, i) => (
          <li
            key={c.email}
            class={`addressee ${c.bad ? "bad" : ""}`}
            draggable
            onDragStart={(e) => {
              drag = { chip: c, from: chips };
              e.dataTransfer!.setData(kind, c.email);
              e.dataTransfer!.setData("text/plain", written(c));
              e.dataTransfer!.effectAllowed = "move";
            }}
          >
            <button type="button" class="addressee-name" tabIndex={-1} title={c.bad ? t("chip_bad", { text: c.email }) : written(c)} aria-haspopup="menu"
              onClick={(e) => menu(e, c)} onKeyDown={(e) => chipKeys(e, c, i)} onDblClick={() => edit(c)}>
              {c.bad && <Icon name="circle-alert" />}{c.name || c.email}
            </button>
            <button type="button" class="addressee-x" tabIndex={-1} aria-label={t("chip_remove_this", { who: c.name ?? c.email })} onClick={() => {
              remove(c);
              inputRef.current?.focus();
            }}><Icon name="x" /></button>
          </li>
        ))}
      </ul>}
      <Combobox<Person>
        label={label}
        value={text}
        onInput={type}
        options={people}
        option={(p) => <>
          <span class="person">{p.name || p.email}{p.recent && <Icon name="history" />}</span>
          {p.name && <span class="soft">{p.email}</span>}
          {p.why && <span class="why">{p.why}</span>}
        </>}
        name={(p) => p.name ?? p.email}
        onChoose={(p) => add([{ name: p.name ?? null, email: p.email }])}
        removable={(p) => !!p.recent}
        onRemove={(p) => {
          setPeople(people.filter((x) => x !== p));
          void suggestNoMore(p.email).catch(() => {});
        }}
        onKeyDown={keys}
        onBlur={take}
        onPaste={(e) => {
          const pasted = e.clipboardData?.getData("text/plain") ?? "";
          const all = readAddresses(pasted);
          if (!all.length || (all.length === 1 && all[0]!.bad)) return;
          e.preventDefault();
          add(all);
        }}
        inputRef={inputRef}
        inputMode="email"
        describedBy={help}
      />
      <span id={help} hidden>{t("recipients_help")}</span>
    </div>
  );
}
