// Menus as the ARIA practices describe them: one stop of Tab, arrows within, letters find, Escape goes back.

import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { Icon } from "./icon";
import { popUp, usePopUp, type Box, type Close } from "./place";

export interface MenuItem {
  label: string;
  run: () => unknown;
  icon?: string;
  /** swatch is a colour that is shown beside it. */
  swatch?: string;
  /** keys is the shortcut, shown beside it. */
  keys?: string;
  danger?: boolean;
  disabled?: boolean;
  /** checked makes it one that is on or off; with radio, one of several. */
  checked?: boolean;
  radio?: boolean;
  /** line separates it from the items above. */
  line?: boolean;
}

/** openMenu shows a menu beside an element or at a point, and gives the focus back when it closes; closed is called then. */
export function openMenu(at: Element | { x: number; y: number }, items: MenuItem[], label: string, closed?: () => void): void {
  popUp(at, (box, close) => <Menu items={items} label={label} box={box} close={close} />, closed);
}

function Menu({ items, label, box, close }: { items: MenuItem[]; label: string; box: Box; close: Close }) {
  const ref = useRef<HTMLDivElement>(null);
  usePopUp(ref, box, close, (menu) => {
    const buttons = all(menu);
    (buttons.find((b) => b.getAttribute("aria-checked") === "true") ?? buttons[0])?.focus();
  });
  const keys = (e: KeyboardEvent) => {
    e.stopPropagation();
    const buttons = all(ref.current!);
    const at = buttons.indexOf(document.activeElement as HTMLElement);
    const to = (i: number) => buttons[(i + buttons.length) % buttons.length]?.focus();
    if (e.key === "ArrowDown") to(at + 1);
    else if (e.key === "ArrowUp") to(at - 1);
    else if (e.key === "Home") to(0);
    else if (e.key === "End") to(-1);
    else if (e.key === "Escape" || e.key === "Tab") close(true);
    else if (e.key.length === 1 && e.key !== " " && !e.ctrlKey && !e.metaKey) {
      const starts = (b: HTMLElement) => b.textContent!.trim().toLowerCase().startsWith(e.key.toLowerCase());
      ([...buttons.slice(at + 1), ...buttons].find(starts))?.focus();
    } else return;
    e.preventDefault();
  };
  return (
    <div ref={ref} class="menu" role="menu" aria-label={label} popover="auto" onKeyDown={keys}>
      {items.flatMap((item, i) => [
        item.line && i > 0 ? <div key={`line${i}`} role="separator" class="menu-line" /> : null,
        <button
          key={i}
          type="button"
          role={item.checked === undefined ? "menuitem" : item.radio ? "menuitemradio" : "menuitemcheckbox"}
          aria-checked={item.checked}
          aria-disabled={item.disabled}
          tabIndex={-1}
          class={item.danger ? "danger" : ""}
          onClick={() => {
            if (item.disabled) return;
            close(true);
            item.run();
          }}
        >
          {item.checked !== undefined ? <span class="menu-check">{item.checked && <Icon name="check" />}</span> : item.icon && <Icon name={item.icon} />}
          {item.swatch && <span class="swatch" style={{ background: item.swatch }} />}
          <span class="menu-label">{item.label}</span>
          {item.keys && <kbd class="soft" aria-hidden="true">{item.keys}</kbd>}
        </button>,
      ])}
    </div>
  );
}

const all = (menu: HTMLElement): HTMLElement[] => [...menu.querySelectorAll<HTMLElement>("[role^=menuitem]")];

/** MenuButton is a button that opens a menu: a picture with a label, or what it is given as children. */
export function MenuButton({ label, icon, items, children, class: c = "" }: {
  label: string;
  icon?: string;
  /** items are asked for when the menu opens. */
  items: () => MenuItem[];
  children?: ComponentChildren;
  class?: string;
}) {
  const [open, setOpen] = useState(false);
  const wasOpen = useRef(false); // when the button was pressed, which closes it
  const show = (e: Event) => {
    e.preventDefault();
    if (open || wasOpen.current) {
      wasOpen.current = false;
      return;
    }
    setOpen(true);
    openMenu(e.currentTarget as Element, items(), label, () => setOpen(false));
  };
  return (
    <button
      type="button"
      class={children ? c : `icon ${c}`}
      aria-haspopup="menu"
      aria-expanded={open}
      aria-label={children ? undefined : label}
      title={label}
      onPointerDown={() => (wasOpen.current = open)}
      onClick={show}
      onKeyDown={(e) => {
        if (e.key === "ArrowDown") show(e);
      }}
    >
      {children ?? <Icon name={icon ?? "ellipsis-vertical"} />}
    </button>
  );
}
