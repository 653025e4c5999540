// A list of any length of which only the rows in sight are in the page.

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";

/** mostPixels is how tall an element may be in every browser. */
const mostPixels = 10_000_000;
const overscan = 8;

export interface VirtualHandle {
  /** show scrolls a row into sight. */
  show(row: number): void;
  /** rows is how many rows are in sight. */
  rows(): number;
}

export function Virtual({ count, height, row, onRange, handle, label, ...rest }: {
  count: number;
  /** height of a row in pixels; all have the same. */
  height: number;
  row: (index: number) => ComponentChildren;
  onRange: (from: number, to: number) => void;
  handle?: { current: VirtualHandle | null };
  label: string;
  id?: string;
  role?: "listbox" | "grid" | "list";
  activeDescendant?: string;
  onKeyDown?: (e: KeyboardEvent) => void;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 800 });
  const whole = count * height;
  const tall = Math.min(whole, mostPixels);
  // Where a page cannot be as tall as the list, one pixel of its scroll bar stands for several.
  const ratio = tall > view.height ? (whole - view.height) / (tall - view.height) : 1;
  const top = view.top * ratio;
  const from = Math.max(0, Math.floor(top / height) - overscan);
  const to = Math.min(count, Math.ceil((top + view.height) / height) + overscan);

  useLayoutEffect(() => {
    const e = box.current!;
    const look = () => setView({ top: e.scrollTop, height: e.clientHeight });
    const resized = new ResizeObserver(look);
    resized.observe(e);
    e.addEventListener("scroll", look, { passive: true });
    return () => {
      resized.disconnect();
      e.removeEventListener("scroll", look);
    };
  }, []);
  useLayoutEffect(() => onRange(Math.max(0, from), Math.max(1, to)), [from, to, count]);

  if (handle) {
    handle.current = {
      rows: () => Math.floor(view.height / height),
      show: (i) => {
        const e = box.current!;
        const at = i * height;
        const seen = e.scrollTop * ratio;
        if (at < seen) e.scrollTop = at / ratio;
        else if (at + height > seen + e.clientHeight) e.scrollTop = (at + height - e.clientHeight) / ratio;
      },
    };
  }
  const rows = [];
  for (let i = from; i < to; i++) {
    rows.push(
      <div key={i} class="virtual-row" style={{ top: `${i * height - top + view.top}px`, height: `${height}px` }}>
        {row(i)}
      </div>,
    );
  }
  return (
    <div ref={box} class="virtual" id={rest.id} role={rest.role ?? "list"} aria-label={label} tabIndex={0} aria-activedescendant={rest.activeDescendant} onKeyDown={rest.onKeyDown}>
      <div style={{ height: `${tall}px` }} class="virtual-whole" role="presentation">
        {rows}
      </div>
    </div>
  );
}
