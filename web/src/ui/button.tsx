import type { ComponentChildren } from "preact";
import { Icon } from "./icon";

/** IconButton is a button with a picture; its label is read aloud and shown as a hint. */
export function IconButton({ icon, label, onClick, pressed, disabled, class: c = "", keys, tab, menu }: {
  icon: string;
  label: string;
  onClick?: (e: MouseEvent) => void;
  pressed?: boolean;
  disabled?: boolean;
  class?: string;
  keys?: string; // the shortcut, for the hint
  menu?: boolean; // whether it opens one
  tab?: number; // its tabindex, where another way leads to it
}) {
  return (
    <button type="button" class={`icon ${c}`} aria-label={label} title={keys ? `${label} (${keys})` : label} aria-pressed={pressed} aria-haspopup={menu && "menu"} tabIndex={tab} disabled={disabled} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}

/** Button is a button with words. */
export function Button({ children, onClick, primary, danger, disabled, icon, type = "button" }: {
  children: ComponentChildren;
  onClick?: (e: MouseEvent) => void;
  primary?: boolean;
  danger?: boolean;
  disabled?: boolean;
  icon?: string;
  type?: "button" | "submit";
}) {
  return (
    <button type={type} class={`button ${primary ? "primary" : ""} ${danger ? "danger" : ""}`} disabled={disabled} onClick={onClick}>
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}
