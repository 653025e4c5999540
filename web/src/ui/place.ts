// Where what pops up stands: below what it belongs to, or above it where there is more room, and always in sight.

export interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

const margin = 8;

/** place puts an element of the top layer beside a box of the window; wide makes it as wide as the box. */
export function place(popup: HTMLElement, at: Box, wide = false): void {
  const s = popup.style;
  s.position = "fixed";
  s.margin = "0";
  s.inset = "auto";
  s.maxHeight = "";
  if (wide) s.minWidth = `${at.right - at.left}px`;
  const { width, height } = popup.getBoundingClientRect();
  const below = innerHeight - at.bottom - margin;
  const above = at.top - margin;
  const up = height > below && above > below;
  s.maxHeight = `${Math.max(96, up ? above : below)}px`;
  if (up) s.bottom = `${innerHeight - at.top}px`;
  else s.top = `${at.bottom}px`;
  const rtl = getComputedStyle(popup).direction === "rtl";
  const wanted = rtl ? at.right - width : at.left;
  s.left = `${Math.max(margin, Math.min(wanted, innerWidth - width - margin))}px`;
}

/** layer is where an element of the top layer must stand to be usable: in the open dialog, or in the part of the page that it belongs to. */
export function layer(from?: Element | null): Element {
  return [...document.querySelectorAll("dialog:modal")].at(-1) ?? from?.closest("[role=dialog], main, nav, section, header") ?? document.body;
}
