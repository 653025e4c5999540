// The arithmetic of a list of which only the rows in sight are in the page. All rows have the same height.

/** mostPixels is how tall an element may be in every browser. */
const mostPixels = 10_000_000;

/** Lengths are those of a list: how many rows there are, how tall each is and how much is in sight, in pixels. */
export interface Lengths {
  count: number;
  height: number;
  sight: number;
}

/** tallOf is how tall the page is that scrolls. */
export const tallOf = (l: Lengths): number => Math.min(l.count * l.height, mostPixels);

/** ratioOf is for how many pixels of rows one pixel of the scroll bar stands: for several where no page can be as tall as the list. */
export function ratioOf(l: Lengths): number {
  const whole = l.count * l.height;
  const tall = tallOf(l);
  return tall > l.sight && whole > tall ? (whole - l.sight) / (tall - l.sight) : 1;
}

/** View is what is in sight: rows from up to, not with, to; offset is how far the page's pixels are from those of the rows. */
export interface View {
  from: number;
  to: number;
  offset: number;
}

/** viewOf is what is in sight where the page was scrolled to, with some rows beyond. */
export function viewOf(l: Lengths, scrolled: number, beyond: number): View {
  const ratio = ratioOf(l);
  const top = scrolled * ratio;
  return {
    from: Math.max(0, Math.floor(top / l.height) - beyond),
    to: Math.min(l.count, Math.ceil((top + l.sight) / l.height) + beyond),
    offset: ratio === 1 ? 0 : scrolled - top,
  };
}

/** Anchor is a row that was in sight, and what was in it. */
export interface Anchor {
  row: number;
  key: string;
}

/** mostAnchors is how many rows are remembered: as many may go before it is not known any more where somebody was. */
const mostAnchors = 30;

/** anchorsOf are the rows from one on whose content is known. */
export function anchorsOf(first: number, count: number, keyOf: (row: number) => string | undefined): Anchor[] {
  const found: Anchor[] = [];
  for (let row = first; row < Math.min(count, first + mostAnchors); row++) {
    const key = keyOf(row);
    if (key !== undefined) found.push({ row, key });
  }
  return found;
}

/** shiftOf is how many rows came above what was in sight; less than none if some went. */
export function shiftOf(anchors: Anchor[], keyOf: (row: number) => string | undefined, indexOf: (key: string) => number): number {
  for (const a of anchors) {
    if (keyOf(a.row) === a.key) return 0;
    const now = indexOf(a.key);
    if (now >= 0) return now - a.row;
  }
  return 0;
}
