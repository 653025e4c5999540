// A list of any length of which only the rows in sight are in the page.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";

/** mostPixels is how tall an element may be in every browser. */
const mostPixels = 10_000_000;

/** around is about what stands above and below a list, in pixels, for as long as it is not known how tall the list is. */
const around = 140;

/** overscan is how many rows beyond those in sight are in the page, once those in sight are there. */
const overscan = 8;

/** spare is how many more may be, before they are worth taking away. */
const spare = 3;

/** whenIdle does something once the browser has nothing else to do; what it answers gives that up. */
function whenIdle(work: () => void): () => void {
  if (!("requestIdleCallback" in globalThis)) {
    const timer = setTimeout(work, 50);
    return () => clearTimeout(timer);
  }
  const id = requestIdleCallback(work, { timeout: 200 });
  return () => cancelIdleCallback(id);
}

export interface VirtualHandle {
  /** element is what scrolls. */
  element: HTMLElement;
  /** show scrolls a row into sight. */
  show(row: number): void;
  /** rows is how many rows are in sight. */
  rows(): number;
  /** top is the first row in sight, with the part of it that is not. */
  top(): number;
  setTop(row: number): void;
}

/** View is what is in sight: rows from up to, not with, to; offset is how far the page's pixels are from those of the rows. */
interface View {
  from: number;
  to: number;
  offset: number;
}

/**
 * Virtual keeps what is looked at in its place when rows come or go above it: keyOf names what is in a row and indexOf
 * finds it again. held is a row that stays in the page, such as the one that has the focus.
 */
export function Virtual({ count, height, row, keyOf, indexOf, held, onRange, onTop, onShift, onScroll, handle, label, initial = 0, ...rest }: {
  count: number;
  /** height of a row in pixels; all have the same. */
  height: number;
  row: (index: number) => ComponentChildren;
  keyOf: (index: number) => string | undefined;
  indexOf: (key: string) => number;
  held?: number;
  onRange: (from: number, to: number) => void;
  /** onTop is told whether the first row is in sight. */
  onTop?: (atTop: boolean) => void;
  /** onScroll is told the row that is in sight first. */
  onScroll?: (row: number) => void;
  /** onShift is told how many rows came above what is in sight. */
  onShift?: (rows: number) => void;
  handle?: { current: VirtualHandle | null };
  label: string;
  /** initial is the row that is in sight at first. */
  initial?: number;
  id?: string;
  role?: "listbox" | "grid" | "list";
  onKeyDown?: (e: KeyboardEvent) => void;
}) {
  const box = useRef<HTMLDivElement>(null);
  const size = useRef(innerHeight - around); // of the box; read when it changes, not while it scrolls
  const scrolled = useRef(initial * height);
  const anchors = useRef<{ row: number; key: string }[]>([]);
  const wasTop = useRef(true);
  const beyond = useRef(0); // how many rows beyond those in sight
  const [view, setView] = useState<View>({ from: -1, to: -1, offset: 0 });

  const whole = count * height;
  const tall = Math.min(whole, mostPixels);
  // Where a page cannot be as tall as the list, one pixel of its scroll bar stands for several.
  const ratio = tall > size.current && whole > tall ? (whole - size.current) / (tall - size.current) : 1;

  const see = (): View => {
    const top = scrolled.current * ratio;
    return {
      from: Math.max(0, Math.floor(top / height) - beyond.current),
      to: Math.min(count, Math.ceil((top + size.current) / height) + beyond.current),
      offset: ratio === 1 ? 0 : scrolled.current - top,
    };
  };
  const look = () => {
    let v = see();
    if (v.from >= shown.to || v.to <= shown.from) {
      beyond.current = 0; // none of what is there is of use: what is looked at comes first
      v = see();
    }
    const there = v.from >= shown.from && v.to <= shown.to && v.offset === shown.offset;
    if (!there || shown.to - shown.from > v.to - v.from + spare) {
      onRange(v.from, Math.max(1, v.to)); // before anything is drawn
      setView(v);
    }
    mark();
    onScroll?.((scrolled.current * ratio) / height);
    const atTop = scrolled.current < height / 2;
    if (atTop !== wasTop.current) onTop?.((wasTop.current = atTop));
  };
  // mark remembers what is in sight.
  const mark = () => {
    const first = Math.floor((scrolled.current * ratio) / height);
    anchors.current = [];
    for (let i = first; i < Math.min(count, first + 30); i++) {
      const key = keyOf(i);
      if (key !== undefined) anchors.current.push({ row: i, key });
    }
  };
  const latest = useRef(look);
  latest.current = look;

  useLayoutEffect(() => {
    const e = box.current!;
    const scroll = () => {
      scrolled.current = e.scrollTop;
      latest.current();
    };
    const resized = new ResizeObserver(([entry]) => {
      size.current = entry!.contentRect.height;
      latest.current();
    });
    if (initial > 0) e.scrollTop = initial * height;
    resized.observe(e);
    e.addEventListener("scroll", scroll, { passive: true });
    return () => {
      resized.disconnect();
      e.removeEventListener("scroll", scroll);
    };
  }, []);

  // Rows that came or went above what is in sight move the scroll bar, not what is in sight.
  useLayoutEffect(() => {
    if (scrolled.current < height / 2) return mark();
    for (const a of anchors.current) {
      if (keyOf(a.row) === a.key) break;
      const now = indexOf(a.key);
      if (now < 0) continue;
      const by = now - a.row;
      scrolled.current = Math.max(0, scrolled.current + (by * height) / ratio);
      box.current!.scrollTop = scrolled.current;
      onShift?.(by);
      break;
    }
    latest.current();
  });

  const shown = view.from < 0 || view.to > count || ratio !== 1 ? see() : view;
  const to = Math.min(count, Math.max(shown.to, see().to));
  useLayoutEffect(() => onRange(shown.from, Math.max(1, to)), [shown.from, to, count]);
  useEffect(() => {
    if (beyond.current === overscan || keyOf(shown.from) === undefined || keyOf(to - 1) === undefined) return;
    return whenIdle(() => {
      beyond.current = overscan;
      latest.current();
    });
  });

  if (handle) {
    const h: VirtualHandle = {
      get element() {
        return box.current!;
      },
      rows: () => Math.max(1, Math.floor(size.current / height)),
      top: () => (scrolled.current * ratio) / height,
      setTop: (i) => {
        box.current!.scrollTop = scrolled.current = (i * height) / ratio;
        look();
      },
      show: (i) => {
        const at = i * height;
        const top = scrolled.current * ratio;
        if (at < top) h.setTop(i);
        else if (at + height > top + size.current) h.setTop((at + height - size.current) / height);
      },
    };
    handle.current = h;
  }
  const rows = [];
  const place = (i: number) => (
    <div key={keyOf(i) ?? i} class="virtual-row" role="presentation" style={{ transform: `translateY(${i * height + shown.offset}px)`, height: `${height}px` }}>
      {row(i)}
    </div>
  );
  if (held !== undefined && held >= 0 && held < shown.from) rows.push(place(held));
  for (let i = shown.from; i < to; i++) rows.push(place(i));
  if (held !== undefined && held >= to && held < count) rows.push(place(held));
  return (
    <div ref={box} class="virtual" id={rest.id} role={rest.role ?? "list"} aria-label={label} aria-rowcount={rest.role === "grid" ? count : undefined} aria-multiselectable={rest.role === "grid" || undefined} onKeyDown={rest.onKeyDown}>
      <div style={{ height: `${tall}px` }} class="virtual-whole" role="presentation">
        {rows}
      </div>
    </div>
  );
}
