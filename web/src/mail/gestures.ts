// What hands do with rows: a mouse drags them onto folders; a finger swipes them away, presses long to choose them, and
// pulls the list down to look for new mail. Rows are moved by their style alone, nothing is drawn anew.

import { catchUp, known, mailbox } from "../core/mail";
import { narrow } from "../core/route";
import { t } from "../core/text";
import { archive, chosen, count, counted, moveTo, remove, type Rows } from "./act";
import { flip } from "./folders";
import { choose } from "./row";
import { can, drawer, here, isSelected, selectedCount } from "./state";

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
  over?: Element;
}

/** Drag is what follows the mouse, and what ends that. */
interface Drag {
  ghost: HTMLElement;
  stop(): void;
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
    if (touch && !control) {
      press.timer = setTimeout(() => {
        const id = press?.id;
        end();
        quiet = true;
        navigator.vibrate?.(15);
        if (id) choose(id, false);
      }, long);
    }
  };
  const move = (e: PointerEvent) => {
    if (!press || e.pointerId !== press.pointer) return;
    const dx = e.clientX - press.x;
    const dy = e.clientY - press.y;
    if (!press.swipe && !press.drag) {
      if (Math.hypot(dx, dy) < far) return;
      clearTimeout(press.timer);
      if (e.pointerType === "touch") {
        if (Math.abs(dy) > Math.abs(dx) || !narrow()) return end();
        press.swipe = swipeBack(press.row);
      } else press.drag = drag(press.id);
      try {
        pane.setPointerCapture(e.pointerId);
      } catch {
        // the pointer is gone already
      }
    }
    if (press.swipe) swiping(press, dx);
    else dragging(press, e.clientX, e.clientY);
    e.preventDefault();
  };
  const up = (e: PointerEvent) => {
    if (!press || e.pointerId !== press.pointer) return;
    const p = press;
    const dx = e.clientX - p.x;
    quiet = !!(p.swipe || p.drag);
    end();
    if (p.swipe && Math.abs(dx) > Math.min(120, innerWidth / 3)) void (meaning(dx) === "archive" ? archive([p.id]) : remove([p.id]));
    const to = p.over?.getAttribute("data-drop");
    if (p.drag && to) void moveTo(to, dragged(p.id));
  };
  const end = () => {
    if (!press) return;
    clearTimeout(press.timer);
    press.drag?.stop();
    press.over?.classList.remove("drop");
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

  pane.addEventListener("pointerdown", down);
  pane.addEventListener("pointermove", move);
  pane.addEventListener("pointerup", up);
  pane.addEventListener("pointercancel", end);
  pane.addEventListener("click", click, true);
  pane.addEventListener("contextmenu", noMenu, true);
  addEventListener("keydown", escape, true);
  const stopPull = pull(pane);
  return () => {
    end();
    stopPull();
    pane.removeEventListener("pointerdown", down);
    pane.removeEventListener("pointermove", move);
    pane.removeEventListener("pointerup", up);
    pane.removeEventListener("pointercancel", end);
    pane.removeEventListener("click", click, true);
    pane.removeEventListener("contextmenu", noMenu, true);
    removeEventListener("keydown", escape, true);
  };
}

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

function swiping(p: Press, dx: number): void {
  const what = meaning(dx);
  p.row.style.transform = `translateX(${dx}px)`;
  p.swipe!.dataset.what = what;
  p.swipe!.dataset.side = dx > 0 ? "left" : "right";
  p.swipe!.dataset.enough = String(Math.abs(dx) > Math.min(120, innerWidth / 3));
  p.swipe!.textContent = t(what === "archive" ? "archive" : here.peek()?.role === "trash" || here.peek()?.role === "junk" || !can("file") ? "delete_for_ever" : "mailbox_trash");
}

/** dragged are the rows that go along with one. */
function dragged(id: string): Rows {
  return isSelected(id) && selectedCount.peek() > 0 ? chosen() : [id];
}

/** drag begins to drag a row, with the others that are chosen: onto folders, which come out where they are hidden, and scroll at their edges. */
function drag(id: string): Drag {
  const rows = dragged(id);
  const ghost = document.createElement("div");
  ghost.className = "drag-ghost";
  ghost.textContent = count(rows) === 1 ? known(id)?.subject || t("no_subject") : counted(count(rows));
  document.body.append(ghost);
  document.body.classList.add("dragging");
  const hidden = innerWidth <= 1100 && !drawer.peek();
  if (hidden) drawer.value = true;
  const folders = document.querySelector(".folders")!;
  const scrolling = setInterval(() => {
    const [{ left, right, top, bottom }, at] = [folders.getBoundingClientRect(), ghost.getBoundingClientRect()];
    const over = at.left > left && at.left < right + edge;
    if (over) folders.scrollTop += at.top > bottom - edge ? 12 : at.top < top + edge ? -12 : 0;
  }, 30);
  const stop = () => {
    ghost.remove();
    document.body.classList.remove("dragging");
    clearInterval(scrolling);
    clearTimeout(opening);
    if (hidden) drawer.value = false;
  };
  return { ghost, stop };
}

const edge = 48; // pixels from where on the folders scroll

let opening: ReturnType<typeof setTimeout> | undefined;

function dragging(p: Press, x: number, y: number): void {
  p.drag!.ghost.style.transform = `translate(${x + 12}px, ${y + 8}px)`;
  const over = document.elementFromPoint(x, y)?.closest("[data-drop]") ?? undefined;
  const to = over && mailbox(over.getAttribute("data-drop")!);
  const takes = to && to.id !== here.peek()?.id && to.role !== "outbox" && to.myRights.mayAddItems !== false ? over : undefined;
  if (over !== p.over) {
    clearTimeout(opening);
    if (to) opening = setTimeout(() => flip(to.id, false), 700);
  }
  if (takes === p.over) return;
  p.over?.classList.remove("drop");
  takes?.classList.add("drop");
  p.over = takes;
}

/** pull looks for new mail when the list is pulled down at its top. */
function pull(pane: HTMLElement): () => void {
  let from = -1;
  let by = 0;
  const mark = document.createElement("div");
  mark.className = "pull";
  mark.setAttribute("aria-hidden", "true");
  pane.prepend(mark);
  const start = (e: TouchEvent) => {
    const scroller = pane.querySelector(".virtual");
    from = e.touches.length === 1 && (scroller?.scrollTop ?? 0) <= 0 ? e.touches[0]!.clientY : -1;
    by = 0;
  };
  const move = (e: TouchEvent) => {
    if (from < 0) return;
    by = (e.touches[0]!.clientY - from) / 2;
    if (by <= 0) return void (from = by < -far ? -1 : from);
    if (by > far && e.cancelable) e.preventDefault();
    mark.style.setProperty("--by", `${Math.min(by, 80)}px`);
    mark.classList.toggle("enough", by > 60);
  };
  const end = async () => {
    if (from < 0) return;
    from = -1;
    const enough = by > 60;
    if (enough) {
      mark.classList.add("busy");
      await Promise.all([catchUp().catch(() => {}), new Promise((r) => setTimeout(r, 400))]);
    }
    mark.classList.remove("busy", "enough");
    mark.style.setProperty("--by", "0px");
  };
  pane.addEventListener("touchstart", start, { passive: true });
  pane.addEventListener("touchmove", move, { passive: false });
  pane.addEventListener("touchend", end);
  pane.addEventListener("touchcancel", end);
  return () => {
    mark.remove();
    pane.removeEventListener("touchstart", start);
    pane.removeEventListener("touchmove", move);
    pane.removeEventListener("touchend", end);
    pane.removeEventListener("touchcancel", end);
  };
}
