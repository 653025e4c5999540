// What can be done with the text that is chosen.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type Squire from "squire-rte";
import { say } from "../core/actions";
import { load } from "../core/load";
import { t } from "../core/text";
import { IconButton } from "../ui/button";
import { MenuButton, type MenuItem } from "../ui/menu";
import type { Handle } from "./editor";
import { choose } from "./files";

const colours = ["#1d2430", "#a8231b", "#b45309", "#1a7f37", "#1f4f8f", "#7c3aed", "#5b6472"];
const sizes: [string, string | null][] = [["small", "12px"], ["normal", null], ["large", "20px"], ["huge", "28px"]];

/** Toolbar is one stop of Tab, with arrows within. */
export function Toolbar({ handle }: { handle: Handle }) {
  const bar = useRef<HTMLDivElement>(null);
  const { has, inside } = useFormats(handle);
  const e = () => handle.current?.squire;
  const button = (icon: string, label: string, on: boolean, run: () => void, keys?: string) => (
    <IconButton icon={icon} label={label} pressed={on} keys={keys} onClick={() => {
      run();
      e()?.focus();
    }} />
  );
  useLayoutEffect(() => buttonsOf(bar.current!).forEach((b, i) => (b.tabIndex = i === 0 ? 0 : -1)), []);
  const colour = (): MenuItem[] => colours.map((c, i) => ({ label: t(`colour_${i}`), swatch: c, run: () => style(e(), "color", i === 0 ? null : `color:${c}`) }));
  const bigness = (): MenuItem[] => sizes.map(([name, size]) => ({ label: t(`size_${name}`), run: () => style(e(), "size", size && `font-size:${size}`) }));
  return (
    <div ref={bar} class="format" role="toolbar" aria-label={t("format")} onKeyDown={arrows} onMouseDown={(event) => event.preventDefault()}>
      {button("bold", t("bold"), has("B"), () => (has("B") ? e()?.removeBold() : e()?.bold()), "Ctrl+B")}
      {button("italic", t("italic"), has("I"), () => (has("I") ? e()?.removeItalic() : e()?.italic()), "Ctrl+I")}
      {button("underline", t("underline"), has("U"), () => (has("U") ? e()?.removeUnderline() : e()?.underline()), "Ctrl+U")}
      <MenuButton icon="type" label={t("text_size")} items={bigness} />
      <MenuButton icon="palette" label={t("text_colour")} items={colour} />
      {button("list", t("bullets"), inside("UL"), () => (inside("UL") ? e()?.removeList() : e()?.makeUnorderedList()), "Ctrl+Shift+8")}
      {button("list-ordered", t("numbers"), inside("OL"), () => (inside("OL") ? e()?.removeList() : e()?.makeOrderedList()), "Ctrl+Shift+9")}
      {button("quote", t("quotation"), inside("BLOCKQUOTE"), () => (inside("BLOCKQUOTE") ? e()?.decreaseQuoteLevel() : e()?.increaseQuoteLevel()), "Ctrl+]")}
      <IconButton icon="link" label={t("link")} keys="Ctrl+K" pressed={has("A")} onClick={() => void link(handle)} />
      <IconButton icon="image" label={t("picture")} onClick={() => choose("image/*", (files) => handle.current?.pictures(files))} />
      {button("eraser", t("clear_format"), false, () => e()?.removeAllFormatting(), "Ctrl+\\")}
    </div>
  );
}

const formats = ["B", "I", "U", "A"];
const looked = ["pathChange", "select", "cursor", "input"];

/** useFormats tells which formats what is chosen has, and inside which blocks it is. */
function useFormats(handle: Handle): { has: (tag: string) => boolean; inside: (tag: string) => boolean } {
  const [now, setNow] = useState("|");
  useEffect(() => {
    const editor = handle.current?.squire;
    if (!editor) return;
    const look = () => setNow(`${formats.filter((tag) => editor.hasFormat(tag))}|${editor.getPath()}`);
    for (const e of looked) editor.addEventListener(e, look);
    return () => {
      for (const e of looked) editor.removeEventListener(e, look);
    };
  }, []);
  const [has, path] = now.split("|") as [string, string];
  return { has: (tag) => has.split(",").includes(tag), inside: (tag) => path.includes(tag) };
}

const buttonsOf = (bar: Element): HTMLButtonElement[] => [...bar.querySelectorAll("button")];

/** arrows go from button to button. */
function arrows(event: KeyboardEvent): void {
  const bar = event.currentTarget as Element;
  const all = buttonsOf(bar);
  const at = all.indexOf(document.activeElement as HTMLButtonElement);
  const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
  if (!step || at < 0) return;
  event.preventDefault();
  const rtl = getComputedStyle(bar).direction === "rtl" ? -1 : 1;
  all[(at + step * rtl + all.length) % all.length]!.focus();
}

/** style sets a style of what is chosen, or takes it away; the class tells it from others. */
function style(editor: InstanceType<typeof Squire> | undefined, name: string, css: string | null): void {
  editor?.changeFormat(css ? { tag: "SPAN", attributes: { class: name, "data-style": css } } : null, { tag: "SPAN", attributes: { class: name } });
  editor?.focus();
}

/** link makes a link of what is chosen, which a part does that is loaded for it. */
export const link = (handle: Handle): Promise<void> =>
  load<typeof import("./link")>("link").then((part) => part.link(() => handle.current?.squire), say);
