// A list to choose from beside what it belongs to, with a field that narrows it, such as the folders that mail can be moved to.

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { fold, t } from "../core/text";
import { Icon } from "./icon";
import { popUp, usePopUp, type Box, type Close } from "./place";

export interface Choice {
  label: string;
  icon?: string;
  /** checked makes it one that is on or off. */
  checked?: boolean;
  disabled?: boolean;
  /** swatch has the colour of a dot that is shown beside it. */
  swatch?: { "--c"?: string };
  /** depth indents it. */
  depth?: number;
  run: () => unknown;
}

interface PickOptions {
  label: string;
  /** find is what the field says while it is empty. */
  find: string;
  /** other is offered for what is typed where nothing is called so. */
  other?: (typed: string) => Choice | undefined;
  /** last stands below all others. */
  last?: Choice;
}

/** pick lets somebody choose one, and gives the focus back. */
export function pick(at: Element | { x: number; y: number }, choices: Choice[], options: PickOptions): void {
  popUp(at, (box, close) => <Picker choices={choices} {...options} box={box} close={close} />);
}

function Picker({ choices, label, find, other, last, box, close }: PickOptions & { choices: Choice[]; box: Box; close: Close }) {
  const ref = useRef<HTMLDivElement>(null);
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const folded = fold(typed.trim());
  let shown = folded ? choices.filter((c) => fold(c.label).includes(folded)) : choices;
  const more = folded && !choices.some((c) => fold(c.label) === folded) ? other?.(typed.trim()) : undefined;
  if (more) shown = [...shown, more];
  if (last) shown = [...shown, last];
  usePopUp(ref, box, close, (popup) => popup.querySelector("input")!.focus());
  useLayoutEffect(() => ref.current!.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" }), [at, typed]);
  const run = (c: Choice | undefined) => {
    if (!c || c.disabled) return;
    close(true);
    void c.run();
  };
  const keys = (e: KeyboardEvent) => {
    e.stopPropagation();
    const n = Math.max(1, shown.length);
    if (e.key === "ArrowDown") setAt((at + 1) % n);
    else if (e.key === "ArrowUp") setAt((at - 1 + n) % n);
    else if (e.key === "Enter") run(shown[at]);
    else if (e.key === "Escape" || e.key === "Tab") close(true);
    else return;
    e.preventDefault();
  };
  return (
    <div ref={ref} class="menu pick" role="dialog" aria-label={label} popover="auto" onKeyDown={keys}>
      <input
        type="text" role="combobox" aria-label={label} aria-expanded="true" aria-controls="pick-list" aria-autocomplete="list" autocomplete="off" spellcheck={false}
        aria-activedescendant={shown[at] ? `pick-${at}` : undefined} placeholder={find} value={typed}
        onInput={(e) => {
          setTyped(e.currentTarget.value);
          setAt(0);
        }}
      />
      <div id="pick-list" role="listbox" aria-label={label}>
        {shown.map((c, i) => (
          <div
            key={i} id={`pick-${i}`} role="option" class="choice" aria-selected={i === at} aria-disabled={c.disabled || undefined} aria-checked={c.checked}
            style={c.depth ? { paddingInlineStart: `${0.75 + c.depth}rem` } : undefined}
            onPointerDown={(e) => e.preventDefault()} onClick={() => run(c)} onPointerMove={() => i !== at && setAt(i)}
          >
            {c.checked !== undefined ? <span class="menu-check">{c.checked && <Icon name="check" />}</span> : c.icon && <Icon name={c.icon} />}
            {c.swatch && <span class="dot-of" style={c.swatch} />}
            <span class="menu-label">{c.label}</span>
          </div>
        ))}
      </div>
      {shown.length === 0 && <p class="soft pick-none">{t("nothing_called_so")}</p>}
    </div>
  );
}
