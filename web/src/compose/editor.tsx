// The field to write in: rich text with Squire, or plain text.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type Squire from "squire-rte";
import { say } from "../core/actions";
import { load } from "../core/load";
import { t } from "../core/text";
import { IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import { MenuButton, type MenuItem } from "../ui/menu";
import { fromEditor, toEditor } from "./begin";
import { attached } from "./files";
import { fragment, paragraphs, plain, restyle } from "./html";
import { libraries } from "./libraries";
import type { Draft } from "./model";

/** Editing is what the window asks of the editor. */
export interface Editing {
  focus(): void;
  /** set shows what the draft has, after it was changed from outside. */
  set(): void;
  pictures(files: File[]): void;
  squire?: InstanceType<typeof Squire>;
}

type Handle = { current: Editing | null };

/** Rich is the field for rich text. */
export function Rich({ draft, handle, label, onKeyDown }: { draft: Draft; handle: Handle; label: string; onKeyDown: (e: KeyboardEvent) => void }) {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const root = box.current!;
    const { Squire: Editor, undo } = libraries();
    const editor = new Editor(root, { blockTag: "DIV", undo, sanitizeToDOMFragment: (html: string) => toEditor(draft, html), didError: () => {} });
    editor.setHTML(draft.html);
    editor.moveCursorToStart();
    let changed = false;
    // The editor also tells of what it puts right itself, such as when it gets the focus: that is no change.
    const shown = () => editor.getHTML().replace(/(<div><br><\/div>)+$/, "");
    let before = shown();
    // The policy of the page takes no styles from markup, so they wait in another attribute until they are set here.
    const styles = new MutationObserver(() => restyle(root));
    styles.observe(root, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-style"] });
    editor.addEventListener("input", () => {
      if (!changed && shown() === before) return;
      changed = true;
      draft.touch();
    });
    editor.addEventListener("pasteImage", ((e: CustomEvent) => {
      const data: DataTransfer | undefined = e.detail?.clipboardData;
      if (data) pictures([...data.files]);
    }) as (e: Event) => void);
    const pictures = (files: File[]) => {
      for (const f of files.filter((x) => x.type.startsWith("image/"))) {
        const a = attached(f, `${crypto.randomUUID().slice(0, 13)}@postiljon`);
        a.url ??= URL.createObjectURL(f);
        draft.add([a]);
        editor.insertImage(a.url, { alt: f.name });
      }
    };
    draft.read = () => {
      if (!changed) return;
      draft.html = fromEditor(draft, editor.getHTML());
      before = shown();
      changed = false;
    };
    handle.current = {
      focus: () => editor.focus(),
      set: () => {
        changed = false;
        editor.setHTML(draft.html);
        before = shown();
      },
      pictures, squire: editor,
    };
    return () => {
      draft.read();
      draft.read = () => {};
      handle.current = null;
      styles.disconnect();
      editor.destroy();
    };
  }, [draft]);
  return (
    <div class="editor-box">
      <div
        ref={box}
        class="editor"
        role="textbox"
        aria-multiline="true"
        aria-label={label}
        contentEditable
        spellcheck
        dir="auto"
        onKeyDown={onKeyDown}
      />
    </div>
  );
}

/** Plain is the field for plain text. */
export function Plain({ draft, handle, label, onKeyDown }: { draft: Draft; handle: Handle; label: string; onKeyDown: (e: KeyboardEvent) => void }) {
  const box = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    const field = box.current!;
    field.value = draft.text;
    field.setSelectionRange(0, 0);
    draft.read = () => (draft.text = field.value);
    handle.current = { focus: () => field.focus(), set: () => (field.value = draft.text), pictures: () => {} };
    return () => {
      draft.read();
      draft.read = () => {};
      handle.current = null;
    };
  }, [draft]);
  return <textarea ref={box} class="editor plain" aria-label={label} spellcheck dir="auto" onInput={() => draft.touch()} onKeyDown={onKeyDown} />;
}

/** switchTo changes between rich and plain text and keeps what was written: what plain text cannot say comes back unless it was changed meanwhile,
 * and pictures of the text are attached to it. */
export function switchTo(draft: Draft, rich: boolean): void {
  draft.read();
  if (rich) draft.html = draft.before?.text === draft.text ? draft.before.html : paragraphs(draft.text);
  else draft.before = { html: draft.html, text: (draft.text = plain(fragment(draft.html))) };
  draft.files.value = draft.files.peek().map((a) => {
    const cid = rich ? a.shown : a.cid;
    if (cid && draft.html.includes(`cid:${cid}`)) [a.cid, a.shown] = rich ? [cid, ""] : ["", cid];
    return a;
  });
  localStorage.setItem("compose.plain", rich ? "0" : "1");
  draft.rich.value = rich;
}

const colours = ["#1d2430", "#a8231b", "#b45309", "#1a7f37", "#1f4f8f", "#7c3aed", "#5b6472"];
const sizes: [string, string | null][] = [["small", "12px"], ["normal", null], ["large", "20px"], ["huge", "28px"]];

/** Toolbar has what can be done with what is chosen: one stop of Tab, arrows within. */
export function Toolbar({ handle }: { handle: Handle }) {
  const [path, setPath] = useState("");
  const bar = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const editor = handle.current?.squire;
    if (!editor) return;
    const look = () => setPath(`${formats.filter(([tag]) => editor.hasFormat(tag)).map(([tag]) => tag)}|${editor.getPath()}`);
    for (const e of ["pathChange", "select", "cursor", "input"]) editor.addEventListener(e, look);
    return () => {
      for (const e of ["pathChange", "select", "cursor", "input"]) editor.removeEventListener(e, look);
    };
  }, []);
  const e = () => handle.current?.squire;
  const has = (tag: string) => path.split("|")[0]!.split(",").includes(tag);
  const inside = (tag: string) => (path.split("|")[1] ?? "").includes(tag);
  const button = (icon: string, label: string, on: boolean, run: () => void, keys?: string) => (
    <IconButton icon={icon} label={label} pressed={on} keys={keys} onClick={() => {
      run();
      e()?.focus();
    }} />
  );
  const keys = (event: KeyboardEvent) => {
    const all = [...bar.current!.querySelectorAll("button")];
    const at = all.indexOf(document.activeElement as HTMLButtonElement);
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!step || at < 0) return;
    event.preventDefault();
    const rtl = getComputedStyle(bar.current!).direction === "rtl" ? -1 : 1;
    all[(at + step * rtl + all.length) % all.length]!.focus();
  };
  useLayoutEffect(() => {
    const all = [...bar.current!.querySelectorAll("button")];
    all.forEach((b, i) => (b.tabIndex = i === 0 ? 0 : -1));
  }, []);
  const colour = (): MenuItem[] => colours.map((c, i) => ({ label: t(`colour_${i}`), swatch: c, run: () => style(e(), "color", i === 0 ? null : `color:${c}`) }));
  const bigness = (): MenuItem[] => sizes.map(([name, size]) => ({ label: t(`size_${name}`), run: () => style(e(), "size", size && `font-size:${size}`) }));
  return (
    <div ref={bar} class="format" role="toolbar" aria-label={t("format")} onKeyDown={keys} onMouseDown={(event) => event.preventDefault()}>
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

/** style sets a style of what is chosen, or takes it away; the class tells it from others. */
function style(editor: InstanceType<typeof Squire> | undefined, name: string, css: string | null): void {
  editor?.changeFormat(css ? { tag: "SPAN", attributes: { class: name, "data-style": css } } : null, { tag: "SPAN", attributes: { class: name } });
  editor?.focus();
}

const formats = [["B"], ["I"], ["U"], ["A"]] as const;

/** choose lets somebody choose files. */
export function choose(accept: string, chosen: (files: File[]) => void): void {
  const input = document.createElement("input");
  input.type = "file";
  input.multiple = true;
  input.accept = accept;
  input.onchange = () => chosen([...(input.files ?? [])]);
  input.click();
}

/** link makes a link of what is chosen, which a part does that is loaded for it. */
export const link = (handle: Handle): Promise<void> =>
  load<typeof import("./link")>("link").then((part) => part.link(() => handle.current?.squire), say);

/** QuoteFold shows that a quote stands below, and opens it. */
export function QuoteFold({ draft, handle }: { draft: Draft; handle: Handle }) {
  if (!draft.quote.value) return null;
  const unfold = () => {
    const quote = draft.quote.peek()!;
    draft.read();
    draft.html += `<div><br></div>${quote.html}`;
    draft.text += `\n\n${quote.text}`;
    draft.quote.value = undefined;
    handle.current?.set();
    draft.touch();
    handle.current?.focus();
  };
  return (
    <div class="quote-fold">
      <button type="button" onClick={unfold} title={t("quote_show")} aria-label={t("quote_show")}><Icon name="ellipsis" /></button>
      <button type="button" class="icon" onClick={() => (draft.quote.value = undefined)} aria-label={t("quote_drop")} title={t("quote_drop")}><Icon name="x" /></button>
    </div>
  );
}
