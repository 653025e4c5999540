import { signal } from "@preact/signals";
import { t } from "../core/text";
import { store, stored } from "./state";

/** Pane is one whose width somebody chooses: with a mouse, or with the arrows. */
interface Pane {
  name: "folders" | "list";
  least: number;
  most: number;
  usual: number;
}

const panes: Pane[] = [
  { name: "folders", least: 180, most: 400, usual: 240 },
  { name: "list", least: 320, most: 760, usual: 440 },
];

const widths = signal<Record<string, number>>(
  Object.fromEntries(panes.map((p) => [p.name, bounded(p, Number(stored(`width.${p.name}`)) || p.usual)])),
);

function bounded(p: Pane, width: number): number {
  return Math.round(Math.max(p.least, Math.min(p.most, width)));
}

/** paneWidths are the widths as custom properties of the shell. */
export const paneWidths = () => ({ "--folders": `${widths.value.folders}px`, "--list": `${widths.value.list}px` });

/** Handle is the line behind a pane, which can be moved. */
export function Handle({ pane }: { pane: "folders" | "list" }) {
  const p = panes.find((x) => x.name === pane)!;
  const width = widths.value[pane]!;
  const set = (to: number) => {
    const w = bounded(p, to);
    widths.value = { ...widths.peek(), [pane]: w };
    store(`width.${pane}`, String(w));
  };
  const rtl = document.dir === "rtl" ? -1 : 1;
  const down = (e: PointerEvent) => {
    const line = e.currentTarget as HTMLElement;
    const from = e.clientX;
    line.setPointerCapture(e.pointerId);
    const move = (m: PointerEvent) => set(width + (m.clientX - from) * rtl);
    line.addEventListener("pointermove", move);
    line.addEventListener("lostpointercapture", () => line.removeEventListener("pointermove", move), { once: true });
    e.preventDefault();
  };
  const keys = (e: KeyboardEvent) => {
    const to = { ArrowRight: width + 16 * rtl, ArrowLeft: width - 16 * rtl, Home: p.least, End: p.most, Enter: p.usual }[e.key];
    if (to === undefined) return;
    set(to);
    e.preventDefault();
    e.stopPropagation();
  };
  return (
    <div
      class={`handle handle-${pane}`} role="separator" aria-orientation="vertical" tabIndex={0} aria-label={t(`width_${pane}`)}
      aria-valuenow={width} aria-valuemin={p.least} aria-valuemax={p.most} onPointerDown={down} onKeyDown={keys} onDblClick={() => set(p.usual)}
    />
  );
}
