// A list of any length of which only the rows in sight are in the page.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { anchorsOf, ratioOf, shiftOf, tallOf, viewOf, type Anchor, type Lengths, type View } from "./rows";

/** around is about what stands above and below a list, in pixels, for as long as it is not known how tall the list is. */
const around = 140;

/** overscan is how many rows beyond those in sight are in the page, once those in sight are there. */
const overscan = 8;

/** printed is how many they are on paper. */
const printed = 50;

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
  /** show scrolls a row into sight. */
  show(row: number): void;
  /** rows is how many rows are in sight. */
  rows(): number;
  /** top is the first row in sight, with the part of it that is not. */
  top(): number;
  setTop(row: number): void;
}

interface VirtualProps {
  count: number;
  /** height of a row in pixels; all have the same. */
  height: number;
  row: (index: number) => ComponentChildren;
  /** keyOf names what is in a row, and indexOf finds it again. */
  keyOf: (index: number) => string | undefined;
  indexOf: (key: string) => number;
  /** held is a row that stays in the page, such as the one that has the focus. */
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
}

/** Virtual is a grid that keeps what is looked at in its place when rows come or go above it. */
export function Virtual(props: VirtualProps) {
  const { count, height, row, keyOf, held = -1, handle, label, id } = props;
  const box = useBox((props.initial ?? 0) * height);
  const lengths = (): Lengths => ({ count, height, sight: box.sight.current });
  const { from, to, offset, look } = useSight(props, box, lengths);
  if (handle) handle.current = handleOf(box, lengths, look);
  const place = (i: number) => (
    <div key={keyOf(i) ?? i} class="virtual-row" role="presentation" style={{ transform: `translateY(${i * height + offset}px)`, height: `${height}px` }}>
      {row(i)}
    </div>
  );
  const rows = [];
  if (held >= 0 && held < from) rows.push(place(held));
  for (let i = from; i < to; i++) rows.push(place(i));
  if (held >= to && held < count) rows.push(place(held));
  return (
    <div ref={box.element} class="virtual" id={id} role="grid" aria-label={label} aria-rowcount={count} aria-multiselectable>
      <div style={{ height: `${tallOf(lengths())}px` }} class="virtual-whole" role="presentation">
        {rows}
      </div>
    </div>
  );
}

/** useBox is the element that scrolls: how far it is scrolled and how tall it is are read when that changes, not while something is drawn. */
function useBox(initial: number) {
  const element = useRef<HTMLDivElement>(null);
  const sight = useRef(innerHeight - around);
  const scrolled = useRef(initial);
  const changed = useRef<() => void>(() => {});
  useLayoutEffect(() => {
    const e = element.current!;
    const scroll = () => {
      scrolled.current = e.scrollTop;
      changed.current();
    };
    const resized = new ResizeObserver(([entry]) => {
      sight.current = entry!.contentRect.height;
      changed.current();
    });
    if (initial > 0) e.scrollTop = initial;
    resized.observe(e);
    e.addEventListener("scroll", scroll, { passive: true });
    return () => {
      resized.disconnect();
      e.removeEventListener("scroll", scroll);
    };
  }, []);
  return { element, sight, scrolled, changed };
}

type Box = ReturnType<typeof useBox>;

/** useSight is which rows are in the page; look looks again whether they are the right ones. */
function useSight({ count, height, keyOf, indexOf, onRange, onTop, onScroll, onShift }: VirtualProps, { element, scrolled, changed }: Box, lengths: () => Lengths) {
  const anchors = useRef<Anchor[]>([]);
  const wasTop = useRef(true);
  const beyond = useRef(0); // how many rows beyond those in sight
  const [view, setView] = useState<View>({ from: -1, to: -1, offset: 0 });
  const see = () => viewOf(lengths(), scrolled.current, beyond.current);
  const firstRow = () => (scrolled.current * ratioOf(lengths())) / height;
  const mark = () => (anchors.current = anchorsOf(Math.floor(firstRow()), count, keyOf));
  const shown = view.from < 0 || view.to > count || ratioOf(lengths()) !== 1 ? see() : view;
  const to = Math.min(count, Math.max(shown.to, see().to));

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
    onScroll?.(firstRow());
    const atTop = scrolled.current < height / 2;
    if (atTop !== wasTop.current) onTop?.((wasTop.current = atTop));
  };
  changed.current = look;

  // Rows that came or went above what is in sight move the scroll bar, not what is in sight.
  useLayoutEffect(() => {
    if (scrolled.current < height / 2) return void mark();
    const by = shiftOf(anchors.current, keyOf, indexOf);
    if (by !== 0) {
      scrolled.current = Math.max(0, scrolled.current + (by * height) / ratioOf(lengths()));
      element.current!.scrollTop = scrolled.current;
      onShift?.(by);
    }
    changed.current();
  });
  useEffect(() => {
    const print = () => {
      beyond.current = printed;
      changed.current();
    };
    addEventListener("beforeprint", print);
    return () => removeEventListener("beforeprint", print);
  }, []);
  useLayoutEffect(() => onRange(shown.from, Math.max(1, to)), [shown.from, to, count]);
  useEffect(() => {
    if (beyond.current === overscan || keyOf(shown.from) === undefined || keyOf(to - 1) === undefined) return;
    return whenIdle(() => {
      beyond.current = overscan;
      changed.current();
    });
  });
  return { from: shown.from, to, offset: shown.offset, look };
}

function handleOf({ element, sight, scrolled }: Box, lengths: () => Lengths, look: () => void): VirtualHandle {
  const ratio = () => ratioOf(lengths());
  const setTop = (i: number) => {
    element.current!.scrollTop = scrolled.current = (i * lengths().height) / ratio();
    look();
  };
  return {
    rows: () => Math.max(1, Math.floor(sight.current / lengths().height)),
    top: () => (scrolled.current * ratio()) / lengths().height,
    setTop,
    show: (i) => {
      const { height } = lengths();
      const at = i * height;
      const top = scrolled.current * ratio();
      if (at < top) setTop(i);
      else if (at + height > top + sight.current) setTop((at + height - sight.current) / height);
    },
  };
}
