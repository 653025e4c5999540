// Links in what is written: loaded with the first of them.

import { useState } from "preact/hooks";
import type Squire from "squire-rte";
import { t } from "../core/text";
import { Button } from "../ui/button";
import { Dialog, show } from "../ui/dialog";

/** link makes a link of what is chosen, or asks for its words, too. */
export async function link(squire: () => InstanceType<typeof Squire> | undefined): Promise<void> {
  const editor = squire();
  if (!editor) return;
  const range = editor.getSelection();
  const node = range.startContainer instanceof Element ? range.startContainer : range.startContainer.parentElement;
  const before = node?.closest("a")?.getAttribute("href") ?? "";
  const words = editor.getSelectedText(range);
  const answer = await show<{ url: string; words: string } | "remove">((close) => <LinkDialog url={before} words={words} close={close} />);
  editor.focus();
  editor.setSelection(range);
  if (answer === "remove") editor.removeLink();
  else if (answer?.url) {
    const url = /^[a-z][a-z0-9+.-]*:/i.test(answer.url) ? answer.url : answer.url.includes("@") && !answer.url.includes("/") ? `mailto:${answer.url}` : `https://${answer.url}`;
    if (!/^(?:https?|mailto|tel):/i.test(url)) return;
    if (!words) editor.insertPlainText(answer.words || answer.url, false);
    if (!words) {
      const now = editor.getSelection();
      now.setStart(now.startContainer, Math.max(0, now.startOffset - (answer.words || answer.url).length));
      editor.setSelection(now);
    }
    editor.makeLink(url, { target: "_blank", rel: "noopener" });
  }
}

function LinkDialog({ url, words, close }: { url: string; words: string; close: (answer?: { url: string; words: string } | "remove") => void }) {
  const [to, setTo] = useState(url);
  const [text, setText] = useState(words);
  return (
    <Dialog title={t("link")} onClose={() => close()} actions={<>
      {url && <Button onClick={() => close("remove")}>{t("link_remove")}</Button>}
      <Button primary disabled={!to.trim()} onClick={() => close({ url: to.trim(), words: text })}>{t("link_insert")}</Button>
    </>}>
      <form class="form" onSubmit={(e) => {
        e.preventDefault();
        if (to.trim()) close({ url: to.trim(), words: text });
      }}>
        <label>{t("link_address")}<input type="text" inputMode="url" value={to} autofocus onInput={(e) => setTo(e.currentTarget.value)} placeholder="https://" /></label>
        {!words && <label>{t("link_words")}<input type="text" value={text} onInput={(e) => setText(e.currentTarget.value)} /></label>}
        <button type="submit" hidden />
      </form>
    </Dialog>
  );
}
