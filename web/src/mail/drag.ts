// Rows that follow the mouse, onto folders.

import { known, mailbox } from "../core/mail";
import { t } from "../core/text";
import { chosen, count, counted, moveTo, type Rows } from "./act";
import { flip } from "./folders";
import { drawer, here, isSelected, selectedCount } from "./state";

/** Drag is what follows the mouse: drop lets it fall where it is, stop ends that. */
export interface Drag {
  move(x: number, y: number): void;
  drop(): void;
  stop(): void;
}

const edge = 48; // pixels from where on the folders scroll

/** drag begins to drag a row, with the others that are chosen: onto folders, which come out where they are hidden, and scroll at their edges. */
export function drag(id: string): Drag {
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
    const beside = at.left > left && at.left < right + edge;
    if (beside) folders.scrollTop += at.top > bottom - edge ? 12 : at.top < top + edge ? -12 : 0;
  }, 30);
  let over: Element | undefined;
  let opening: ReturnType<typeof setTimeout> | undefined;
  const move = (x: number, y: number) => {
    ghost.style.transform = `translate(${x + 12}px, ${y + 8}px)`;
    const folder = document.elementFromPoint(x, y)?.closest("[data-drop]") ?? undefined;
    const to = folder && mailbox(folder.getAttribute("data-drop")!);
    const takes = to && to.id !== here.peek()?.id && to.role !== "outbox" && to.myRights.mayAddItems !== false ? folder : undefined;
    if (folder !== over) {
      clearTimeout(opening);
      if (to) opening = setTimeout(() => flip(to.id, false), 700);
    }
    if (takes === over) return;
    over?.classList.remove("drop");
    takes?.classList.add("drop");
    over = takes;
  };
  const drop = () => {
    const to = over?.getAttribute("data-drop");
    if (to) void moveTo(to, dragged(id));
  };
  const stop = () => {
    over?.classList.remove("drop");
    ghost.remove();
    document.body.classList.remove("dragging");
    clearInterval(scrolling);
    clearTimeout(opening);
    if (hidden) drawer.value = false;
  };
  return { move, drop, stop };
}

/** dragged are the rows that go along with one. */
function dragged(id: string): Rows {
  return isSelected(id) && selectedCount.peek() > 0 ? chosen() : [id];
}
