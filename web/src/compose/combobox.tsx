// A field that proposes what to choose while somebody types (the ARIA practices' combobox with a grid that pops up). The
// focus stays in the field: arrows go through the proposals, Enter or Tab takes one, Shift+Delete removes one for good.

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ComponentChildren, Ref } from "preact";
import { useName } from "../ui/id";
import { t } from "../core/text";
import { Icon } from "../ui/icon";
import { place } from "../ui/place";

export function Combobox<T>({ value, onInput, options, option, name, onChoose, onRemove, removable, onKeyDown, inputRef, label, id, ...rest }: {
  value: string;
  onInput: (value: string) => void;
  /** options are what is proposed for the value. */
  options: T[];
  option: (o: T) => ComponentChildren;
  /** name is what an option is called when it is removed. */
  name: (o: T) => string;
  onChoose: (o: T) => void;
  onRemove?: (o: T) => void;
  removable?: (o: T) => boolean;
  /** onKeyDown has the keys that the proposals do not take. */
  onKeyDown?: (e: KeyboardEvent) => void;
  inputRef?: Ref<HTMLInputElement> & { current: HTMLInputElement | null };
  label: string;
  id?: string;
  placeholder?: string;
  inputMode?: "email" | "text" | "search";
  describedBy?: string;
  onPaste?: (e: ClipboardEvent) => void;
  onBlur?: () => void;
}) {
  const own = useRef<HTMLInputElement>(null);
  const field = inputRef ?? own;
  const popup = useRef<HTMLDivElement>(null);
  const grid = useName();
  const [focused, setFocused] = useState(false);
  const [dismissed, setDismissed] = useState(false);
  const [active, setActive] = useState(-1);
  const [atRemove, setAtRemove] = useState(false);
  const open = focused && !dismissed && options.length > 0;
  const at = open ? Math.min(active, options.length - 1) : -1;

  useLayoutEffect(() => {
    const p = popup.current;
    if (!p) return;
    if (open !== p.matches(":popover-open")) p.togglePopover(open);
    if (open) place(p, field.current!.getBoundingClientRect());
  }, [open, options.length, value]);
  useLayoutEffect(() => {
    popup.current?.querySelector(`#${CSS.escape(`${grid}-${at}`)}`)?.scrollIntoView({ block: "nearest" });
  }, [at]);

  const move = (to: number) => {
    setActive(to);
    setAtRemove(false);
  };
  const take = (o: T) => {
    move(-1);
    onChoose(o);
  };
  const remove = (o: T) => {
    setAtRemove(false);
    onRemove?.(o);
  };
  const canRemove = (o: T | undefined): o is T => o !== undefined && !!onRemove && (removable?.(o) ?? true);
  const keys = (e: KeyboardEvent) => {
    const chosen = at >= 0 ? options[at] : undefined;
    if (e.key === "ArrowDown" && options.length) {
      setDismissed(false);
      move(at + 1 >= options.length ? 0 : at + 1);
    } else if (e.key === "ArrowUp" && open) move(at <= 0 ? options.length - 1 : at - 1);
    else if ((e.key === "Enter" || (e.key === "Tab" && !e.shiftKey)) && chosen !== undefined && !e.ctrlKey && !e.metaKey) {
      if (atRemove) remove(chosen);
      else take(chosen);
    } else if (e.key === "Delete" && e.shiftKey && canRemove(chosen)) remove(chosen);
    else if (e.key === "ArrowRight" && canRemove(chosen) && !atRemove && field.current!.selectionStart === value.length) setAtRemove(true);
    else if (e.key === "ArrowLeft" && atRemove) setAtRemove(false);
    else if (e.key === "Escape" && open) {
      e.stopPropagation();
      setDismissed(true);
      move(-1);
    } else return onKeyDown?.(e);
    e.preventDefault();
  };

  return (
    <>
      <input
        ref={field}
        id={id}
        role="combobox"
        aria-label={label}
        aria-expanded={open}
        aria-controls={grid}
        aria-haspopup="grid"
        aria-autocomplete="list"
        aria-activedescendant={at >= 0 ? `${grid}-${at}${atRemove ? "-x" : ""}` : undefined}
        aria-describedby={rest.describedBy}
        placeholder={rest.placeholder}
        inputMode={rest.inputMode}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        value={value}
        onInput={(e) => {
          setDismissed(false);
          move(-1);
          onInput(e.currentTarget.value);
        }}
        onKeyDown={keys}
        onPaste={rest.onPaste}
        onFocus={() => {
          setFocused(true);
          setDismissed(false);
        }}
        onBlur={() => {
          setFocused(false);
          move(-1);
          rest.onBlur?.();
        }}
      />
      <div ref={popup} id={grid} class="options" role="grid" aria-label={t("suggestions")} popover="manual" onMouseDown={(e) => e.preventDefault()}>
        {open && options.map((o, i) => (
          <div key={i} role="row" class={`option ${i === at ? "active" : ""}`}>
            <div role="gridcell" id={`${grid}-${i}`} class="option-what" aria-selected={i === at && !atRemove} onClick={() => take(o)}>{option(o)}</div>
            {canRemove(o) && (
              <div
                role="gridcell"
                id={`${grid}-${i}-x`}
                class={`option-remove ${i === at && atRemove ? "active" : ""}`}
                aria-label={t("remove_suggestion", { name: name(o) })}
                title={t("remove_suggestion", { name: name(o) })}
                onClick={() => remove(o)}
              >
                <Icon name="x" />
              </div>
            )}
          </div>
        ))}
      </div>
    </>
  );
}
