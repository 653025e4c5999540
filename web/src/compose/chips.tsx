// The addressees of a field as chips: arrows go from one to the next, Backspace removes one, a menu does the rest.

import type { Signal } from "@preact/signals";
import { t } from "../core/text";
import { Icon } from "../ui/icon";
import { openMenu } from "../ui/menu";
import { written, type Chip } from "./addresses";
import type { Line } from "./recipients";

/** Doing is what a field does with its chips. */
interface Doing {
  /** focus goes to the chip at a place, or to the field where there is none. */
  focus: (i: number) => void;
  edit: (c: Chip) => void;
  remove: (c: Chip) => void;
  drag: (e: DragEvent, c: Chip) => void;
}

export function Chips({ chips, others, listRef, ...does }: Doing & { chips: Signal<Chip[]>; others: Line[]; listRef: { current: HTMLUListElement | null } }) {
  const { focus, edit, remove, drag } = does;
  const keys = (e: KeyboardEvent, c: Chip, i: number) => {
    if (e.key === "ArrowLeft") focus(Math.max(0, i - 1));
    else if (e.key === "ArrowRight") focus(i + 1);
    else if (e.key === "Home") focus(0);
    else if (e.key === "End") focus(-1);
    else if (e.key === "Backspace" || e.key === "Delete") {
      remove(c);
      requestAnimationFrame(() => focus(Math.min(i, chips.peek().length - 1)));
    } else return;
    e.preventDefault();
  };
  if (!chips.value.length) return null;
  return (
    <ul ref={listRef} class="addressees">
      {chips.value.map((c, i) => (
        <li key={c.email} class={`addressee ${c.bad ? "bad" : ""}`} draggable onDragStart={(e) => drag(e, c)}>
          <button
            type="button" class="addressee-name" tabIndex={-1} title={c.bad ? t("chip_bad", { text: c.email }) : written(c)} aria-haspopup="menu"
            onClick={(e) => menu(e.currentTarget, c, others, does)} onKeyDown={(e) => keys(e, c, i)} onDblClick={() => edit(c)}
          >
            {c.bad && <Icon name="circle-alert" />}{c.name || c.email}
          </button>
          <button type="button" class="addressee-x" tabIndex={-1} aria-label={t("chip_remove_this", { who: c.name ?? c.email })} onClick={() => {
            remove(c);
            focus(-1);
          }}><Icon name="x" /></button>
        </li>
      ))}
    </ul>
  );
}

function menu(at: Element, c: Chip, others: Line[], { edit, remove }: Doing): void {
  openMenu(at, [
    { label: t("chip_edit"), icon: "pencil", run: () => edit(c) },
    { label: t("chip_copy"), icon: "copy", run: () => void navigator.clipboard.writeText(written(c)) },
    ...others.map((o) => ({
      label: t("chip_move", { field: o.label }), icon: "move", run: () => {
        remove(c);
        o.open();
        o.chips.value = [...o.chips.peek(), c];
      },
    })),
    { label: t("chip_remove"), icon: "x", run: () => remove(c), line: true },
  ], c.name ?? c.email);
}
