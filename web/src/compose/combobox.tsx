// A field that proposes what to choose while somebody types (the ARIA practices' combobox with a grid that pops up). The
// focus stays in the field: arrows go through the proposals, Enter or Tab takes one, Shift+Delete removes one for good.

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { useName } from "../ui/id";
import { t } from "../core/text";
import { Icon } from "../ui/icon";
import { place } from "../ui/place";

/** Proposing is what is proposed. */
interface Proposing<T> {
  options: T[];
  option: (o: T) => ComponentChildren;
  /** name is what an option is called when it is removed. */
  name: (o: T) => string;
  removable: (o: T) => boolean;
}

export function Combobox<T>({ label, value, inputRef, describedBy, onInput, onKeyDown, onBlur, onPaste, onChoose, onRemove, ...proposing }: Proposing<T> & {
  label: string;
  value: string;
  inputRef: { current: HTMLInputElement | null };
  describedBy: string;
  onInput: (value: string) => void;
  /** onKeyDown has the keys that the proposals do not take. */
  onKeyDown: (e: KeyboardEvent) => void;
  onBlur: () => void;
  onPaste: (e: ClipboardEvent) => void;
  onChoose: (o: T) => void;
  onRemove: (o: T) => void;
}) {
  const { options, removable } = proposing;
  const grid = useName();
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const [atRemove, setAtRemove] = useState(false);
  const shown = open && options.length > 0;
  const at = shown ? Math.min(active, options.length - 1) : -1;

  const move = (to: number) => {
    setActive(to);
    setAtRemove(false);
  };
  const show = (on: boolean) => {
    setOpen(on);
    if (!on) move(-1);
  };
  const take = (o: T) => {
    move(-1);
    onChoose(o);
  };
  const remove = (o: T) => {
    setAtRemove(false);
    onRemove(o);
  };
  const keys = (e: KeyboardEvent) => {
    const chosen = options[at];
    const goes = chosen !== undefined && removable(chosen);
    if (e.key === "ArrowDown" && options.length) {
      show(true);
      move(at + 1 >= options.length ? 0 : at + 1);
    } else if (e.key === "ArrowUp" && shown) move(at <= 0 ? options.length - 1 : at - 1);
    else if ((e.key === "Enter" || (e.key === "Tab" && !e.shiftKey)) && chosen !== undefined && !e.ctrlKey && !e.metaKey) (atRemove ? remove : take)(chosen);
    else if (e.key === "Delete" && e.shiftKey && goes) remove(chosen);
    else if (e.key === "ArrowRight" && goes && !atRemove && inputRef.current!.selectionStart === value.length) setAtRemove(true);
    else if (e.key === "ArrowLeft" && atRemove) setAtRemove(false);
    else if (e.key === "Escape" && shown) {
      e.stopPropagation();
      show(false);
    } else return onKeyDown(e);
    e.preventDefault();
  };

  return (
    <>
      <input
        ref={inputRef} value={value} inputMode="email" autocomplete="off" autocapitalize="off" spellcheck={false}
        role="combobox" aria-label={label} aria-expanded={shown} aria-controls={grid} aria-haspopup="grid" aria-autocomplete="list"
        aria-activedescendant={at >= 0 ? `${grid}-${at}${atRemove ? "-x" : ""}` : undefined} aria-describedby={describedBy}
        onInput={(e) => {
          show(true);
          move(-1);
          onInput(e.currentTarget.value);
        }}
        onKeyDown={keys} onPaste={onPaste} onFocus={() => show(true)}
        onBlur={() => {
          show(false);
          onBlur();
        }}
      />
      <Grid {...proposing} id={grid} field={inputRef} value={value} shown={shown} at={at} atRemove={atRemove} take={take} remove={remove} />
    </>
  );
}

/** Grid are the proposals beside a field: in each row what is proposed, and what removes it. */
function Grid<T>({ options, option, name, removable, id, field, value, shown, at, atRemove, take, remove }: Proposing<T> & {
  id: string;
  field: { current: HTMLInputElement | null };
  value: string;
  shown: boolean;
  at: number;
  atRemove: boolean;
  take: (o: T) => void;
  remove: (o: T) => void;
}) {
  const popup = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const p = popup.current!;
    if (shown !== p.matches(":popover-open")) p.togglePopover(shown);
    if (shown) place(p, field.current!.getBoundingClientRect());
  }, [shown, options.length, value]);
  useLayoutEffect(() => popup.current!.querySelector(`#${CSS.escape(`${id}-${at}`)}`)?.scrollIntoView({ block: "nearest" }), [at]);
  return (
    <div ref={popup} id={id} class="options" role="grid" aria-label={t("suggestions")} popover="manual" onMouseDown={(e) => e.preventDefault()}>
      {shown && options.map((o, i) => (
        <div key={i} role="row" class={`option ${i === at ? "active" : ""}`}>
          <div role="gridcell" id={`${id}-${i}`} class="option-what" aria-selected={i === at && !atRemove} onClick={() => take(o)}>{option(o)}</div>
          {removable(o) && (
            <div
              role="gridcell" id={`${id}-${i}-x`} class={`option-remove ${i === at && atRemove ? "active" : ""}`}
              aria-label={t("remove_suggestion", { name: name(o) })} title={t("remove_suggestion", { name: name(o) })} onClick={() => remove(o)}
            >
              <Icon name="x" />
            </div>
          )}
        </div>
      ))}
    </div>
  );
}
