// What hands do with rows: a mouse drags them onto folders (drag.ts); a finger swipes them away, presses long to choose them, and
// pulls the list down (pull.ts). Rows are moved by their style alone, nothing is drawn anew.

import { narrow } from "../core/route";
import { t } from "../core/text";
import { archive, remove } from "./act";
import { drag, type Drag } from "./drag";
import { pull } from "./pull";
import { choose } from "./row";
import { can, here } from "./state";

const far = 8; // pixels before a press is a movement
const long = 500; // milliseconds of a long press

interface Press {
  id: string;
  row: HTMLElement;
  x: number;
  y: number;
  pointer: number;
  timer?: ReturnType<typeof setTimeout>;
  swipe?: HTMLElement;
  drag?: Drag;
}

/** gestures watches a list; what it answers ends that. */
export function gestures(pane: HTMLElement): () => void {
  let press: Press | undefined;
  let quiet = false; // the click that ends a gesture does nothing

  const down = (e: PointerEvent) => {
    quiet = false;
    const row = (e.target as Element).closest<HTMLElement>(".row[data-id]");
    const touch = e.pointerType === "touch";
    const control = (e.target as Element).closest("button, input"); // where a swipe begins, but nothing else
    if (!row || e.button !== 0 || !e.isPrimary || (control && !touch)) return;
    press = { id: row.dataset.id!, row, x: e.clientX, y: e.clientY, pointer: e.pointerId };
    if (touch && !control) press.timer = setTimeout(held, long);
  };
  const held = () => {
    const id = press?.id;
    end();
    quiet = true;
    navigator.vibrate?.(15);
    if (id) choose(id, false);
  };
  const move = (e: PointerEvent) => {
    if (!press || e.pointerId !== press.pointer) return;
    const dx = e.clientX - press.x;
    const dy = e.clientY - press.y;
    if (!press.swipe && !press.drag) {
      if (Math.hypot(dx, dy) < far) return;
      clearTimeout(press.timer);
      if (e.pointerType === "touch" && (Math.abs(dy) > Math.abs(dx) || !narrow())) return end();
      begin(press, e);
    }
    if (press.swipe) swiping(press.row, press.swipe, dx);
    else press.drag?.move(e.clientX, e.clientY);
    e.preventDefault();
  };
  const begin = (p: Press, e: PointerEvent) => {
    if (e.pointerType === "touch") p.swipe = swipeBack(p.row);
    else p.drag = drag(p.id);
    try {
      pane.setPointerCapture(e.pointerId);
    } catch {
      // the pointer is gone already
    }
  };
  const up = (e: PointerEvent) => {
    if (!press || e.pointerId !== press.pointer) return;
    const p = press;
    const dx = e.clientX - p.x;
    quiet = !!(p.swipe || p.drag);
    end();
    if (p.swipe && isEnough(dx)) void (meaning(dx) === "archive" ? archive([p.id]) : remove([p.id]));
    p.drag?.drop();
  };
  const end = () => {
    if (!press) return;
    clearTimeout(press.timer);
    press.drag?.stop();
    if (press.swipe) {
      const { row, swipe } = press;
      row.style.transform = "";
      setTimeout(() => swipe.remove(), 150);
    }
    press = undefined;
  };
  const escape = (e: KeyboardEvent) => {
    if (e.key !== "Escape" || !press?.drag) return;
    quiet = true;
    end();
    e.stopPropagation();
  };
  const click = (e: MouseEvent) => {
    if (!quiet) return;
    quiet = false;
    e.preventDefault();
    e.stopPropagation();
  };
  const noMenu = (e: Event) => (press || quiet) && matchMedia("(hover: none)").matches && e.preventDefault();

  const over = new AbortController();
  const { signal } = over;
  pane.addEventListener("pointerdown", down, { signal });
  pane.addEventListener("pointermove", move, { signal });
  pane.addEventListener("pointerup", up, { signal });
  pane.addEventListener("pointercancel", end, { signal });
  pane.addEventListener("click", click, { capture: true, signal });
  pane.addEventListener("contextmenu", noMenu, { capture: true, signal });
  addEventListener("keydown", escape, { capture: true, signal });
  const stopPull = pull(pane);
  return () => {
    end();
    stopPull();
    over.abort();
  };
}

/** isEnough tells whether a swipe is far enough to mean something. */
const isEnough = (dx: number): boolean => Math.abs(dx) > Math.min(120, innerWidth / 3);

/** meaning is what a swipe does: towards the end of the line archives, towards its start deletes. */
function meaning(dx: number): "archive" | "trash" {
  const towardsEnd = document.dir === "rtl" ? dx < 0 : dx > 0;
  return towardsEnd && can("file") && here.peek()?.role !== "archive" ? "archive" : "trash";
}

function swipeBack(row: HTMLElement): HTMLElement {
  const back = document.createElement("div");
  back.className = "swipe-back";
  back.setAttribute("aria-hidden", "true");
  row.parentElement!.prepend(back);
  return back;
}

function swiping(row: HTMLElement, back: HTMLElement, dx: number): void {
  const what = meaning(dx);
  row.style.transform = `translateX(${dx}px)`;
  back.dataset.what = what;
  back.dataset.side = dx > 0 ? "left" : "right";
  back.dataset.enough = String(isEnough(dx));
  back.textContent = t(what === "archive" ? "archive" : here.peek()?.role === "trash" || here.peek()?.role === "junk" || !can("file") ? "delete_for_ever" : "mailbox_trash");
}
