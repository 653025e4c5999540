// The field to write in: rich text with Squire, or plain text; and the quote that is folded below it.

import { useLayoutEffect, useRef } from "preact/hooks";
import type Squire from "squire-rte";
import { t } from "../core/text";
import { Icon } from "../ui/icon";
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

/** Handle is where the editor puts it. */
export type Handle = { current: Editing | null };

/** Rich is the field for rich text. */
export function Rich({ draft, handle }: { draft: Draft; handle: Handle }) {
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
      <div ref={box} class="editor" role="textbox" aria-multiline="true" aria-label={t("compose_text")} contentEditable spellcheck dir="auto" />
    </div>
  );
}

/** Plain is the field for plain text. */
export function Plain({ draft, handle }: { draft: Draft; handle: Handle }) {
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
  return <textarea ref={box} class="editor plain" aria-label={t("compose_text")} spellcheck dir="auto" onInput={() => draft.touch()} />;
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
