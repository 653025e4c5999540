// What pops up: where it stands, below what it belongs to, or above it where there is more room, and always in sight; that it goes when
// somebody does something else, and gives the focus back.

import { render, type ComponentChild } from "preact";
import { useLayoutEffect } from "preact/hooks";

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
function layer(from?: Element | null): Element {
  return [...document.querySelectorAll("dialog:modal")].at(-1) ?? from?.closest("[role=dialog], main, nav, section, header") ?? document.body;
}

/** Close takes away what popped up; with true the focus goes back to where it was. */
export type Close = (focus: boolean) => void;

/** popUp shows something beside an element or at a point, until it is closed; closed is called then. */
export function popUp(at: Element | { x: number; y: number }, content: (box: Box, close: Close) => ComponentChild, closed?: () => void): void {
  const host = document.createElement("div");
  const element = at instanceof Element ? at : null;
  layer(element ?? document.activeElement).append(host);
  const before = document.activeElement as HTMLElement | null;
  let open = true;
  const close = (focus: boolean) => {
    if (!open) return;
    open = false;
    render(null, host);
    host.remove();
    closed?.();
    if (focus && before?.isConnected) before.focus();
  };
  const { x = 0, y = 0 } = at as { x?: number; y?: number };
  render(content(element ? element.getBoundingClientRect() : { left: x, right: x, top: y, bottom: y }, close), host);
}

/** usePopUp opens the element of what pops up at its place, gives the focus into it, and hears when the browser closes it. */
export function usePopUp(ref: { current: HTMLElement | null }, box: Box, close: Close, focus: (popup: HTMLElement) => void): void {
  useLayoutEffect(() => {
    const popup = ref.current!;
    popup.showPopover();
    place(popup, box);
    focus(popup);
    const toggled = (e: Event) => (e as ToggleEvent).newState === "closed" && close(popup.contains(document.activeElement));
    popup.addEventListener("toggle", toggled);
    return () => popup.removeEventListener("toggle", toggled);
  }, []);
}
