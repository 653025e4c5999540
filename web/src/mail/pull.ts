// The list is pulled down at its top to look for new mail.

import { catchUp } from "../core/mail";

const far = 8; // pixels before a touch is a movement

/** pull looks for new mail when the list is pulled down at its top. */
export function pull(pane: HTMLElement): () => void {
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
  const over = new AbortController();
  const { signal } = over;
  pane.addEventListener("touchstart", start, { passive: true, signal });
  pane.addEventListener("touchmove", move, { passive: false, signal });
  pane.addEventListener("touchend", end, { signal });
  pane.addEventListener("touchcancel", end, { signal });
  return () => {
    mark.remove();
    over.abort();
  };
}
