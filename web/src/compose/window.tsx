// A window to write in: at the foot of the page on wide screens, the whole screen on narrow ones.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { say } from "../core/actions";
import { sessionOver, type MethodError } from "../core/jmap";
import { load, usePart } from "../core/load";
import { t } from "../core/text";
import { IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import { MenuButton, type MenuItem } from "../ui/menu";
import { asLink, attach, Files, resume } from "./attachments";
import { useDrop } from "./drop";
import { Plain, QuoteFold, Rich, switchTo, type Editing, type Handle } from "./editor";
import { Fields, type Entry } from "./fields";
import { choose } from "./files";
import { HintList, useHints } from "./hintlist";
import type { Draft } from "./model";
import { handleLinks } from "./open";
import { isToNobody, useSending } from "./sending";
import { link, Toolbar } from "./toolbar";

/** Size is how a window stands. */
export type Size = "open" | "small" | "large";

/** Doing is what a window asks of those who keep it. */
interface Doing {
  onStand: (s: Size) => void;
  onClose: () => void;
  onDiscard: () => void;
  onSend: (at?: Date, zone?: string) => void;
}

export function Window({ draft, stand, offset, refused, ...doing }: Doing & {
  draft: Draft;
  stand: Size;
  offset: number; // how far from the edge, in rem: the newest is nearest
  refused?: MethodError;
}) {
  const root = useRef<HTMLElement>(null);
  const editor = useRef<Editing | null>(null);
  const entry = useRef<Entry | null>(null);
  const [format, setFormat] = useState(innerWidth >= 700);
  const pick = () => choose("", (files) => void attach(draft, files).catch(say));
  const hints = useHints(draft, { attach: pick, subject: () => entry.current?.focus("subject") });
  const { trySend, waits, cancel } = useSending(draft, hints, root, doing.onSend);
  const { over, on } = useDrop(draft, editor);

  useEffect(() => {
    resume(draft);
    if (!draft.to.peek().length) entry.current?.focus("to");
    else if (!draft.subject.peek()) entry.current?.focus("subject");
    else editor.current?.focus();
  }, [draft]);
  useEffect(() => {
    if (stand === "small") draft.read();
  }, [stand]);

  const keys = (e: KeyboardEvent) => {
    const mod = e.ctrlKey || e.metaKey;
    if (e.key === "Enter" && mod) trySend();
    else if (e.key === "k" && mod && draft.rich.peek()) void link(editor);
    else if (mod && e.shiftKey && e.code === "KeyC") entry.current?.focus("cc");
    else if (mod && e.shiftKey && e.code === "KeyB") entry.current?.focus("bcc");
    else if (e.key === "Escape" && !e.defaultPrevented) doing.onClose();
    else {
      if (stand !== "small") e.stopPropagation(); // the keys of the page rest while somebody writes
      return;
    }
    e.preventDefault();
    e.stopPropagation();
  };

  const title = draft.subject.value || t(draft.answering ? (draft.answering.keyword === "$answered" ? "compose_reply" : "compose_forward") : "compose_new");
  const style = useMemo(() => ({ "--offset": String(offset) }), [offset]);
  const Text = draft.rich.value ? Rich : Plain;
  return (
    <section ref={root} class={`compose ${stand} ${over ? "over" : ""}`} style={style} role="dialog" aria-label={title} onKeyDown={keys} {...on}>
      <Head draft={draft} title={title} stand={stand} {...doing} />
      <div class="compose-inside" hidden={stand === "small"}>
        <Trouble draft={draft} refused={refused} />
        <div class="compose-scroll">
          <Fields draft={draft} handle={entry} editor={editor} />
          <Text draft={draft} handle={editor} />
          <QuoteFold draft={draft} handle={editor} />
          <Files draft={draft} />
        </div>
        {draft.rich.value && format && <Toolbar handle={editor} />}
        <HintList {...hints} />
        {waits && <p class="compose-waits" role="status">{t("waits_for_files")} <button type="button" class="link" onClick={cancel}>{t("cancel")}</button></p>}
        <footer class="compose-foot">
          <Send trySend={trySend} disabled={isToNobody(draft) || waits} anyway={hints.asked} />
          <IconButton icon="paperclip" label={t("attach")} onClick={pick} />
          {draft.rich.value && <IconButton icon="type" label={t("format")} pressed={format} onClick={() => setFormat(!format)} />}
          {draft.rich.value && !format && <IconButton icon="image" label={t("picture")} onClick={() => choose("image/*", (f) => editor.current?.pictures(f))} />}
          <span class="gap" />
          <MenuButton label={t("more")} items={() => more(draft, editor, doing.onDiscard)} icon="ellipsis-vertical" />
          <IconButton icon="trash-2" label={t("discard")} onClick={doing.onDiscard} />
        </footer>
      </div>
      {over && <div class="drop-here" aria-hidden="true"><Icon name="paperclip" /> {t("drop_here")}</div>}
    </section>
  );
}

function Head({ draft, title, stand, onStand, onClose }: { draft: Draft; title: string; stand: Size } & Pick<Doing, "onStand" | "onClose">) {
  const small = () => onStand(stand === "small" ? "open" : "small");
  const large = () => onStand(stand === "large" ? "open" : "large");
  return (
    <div class="compose-head" onDblClick={small}>
      <h2 class="compose-title">{stand === "small" ? <button type="button" onClick={small}>{title}</button> : title}</h2>
      <SavedState draft={draft} />
      <IconButton icon={stand === "small" ? "chevron-up" : "minus"} class="only-wide" label={t(stand === "small" ? "compose_open" : "compose_minimise")} onClick={small} />
      <IconButton icon={stand === "large" ? "minimize-2" : "maximize-2"} class="only-wide" label={t(stand === "large" ? "compose_restore" : "compose_maximise")} onClick={large} />
      <IconButton icon="x" label={t("compose_close")} keys="Esc" onClick={onClose} />
    </div>
  );
}

/** SavedState says how well what was typed is kept. */
function SavedState({ draft }: { draft: Draft }) {
  const s = draft.saved.value;
  if (s === "nothing") return null;
  if (s === "refused") return <span class="saved why" role="alert" title={draft.refusal.value}><Icon name="circle-alert" />{t("saved_refused")}</span>;
  return <span class="saved soft">{s === "saved" ? t("saved") : s === "line" ? t(sessionOver.value ? "saved_signed_out" : "saved_here") : t("saving")}</span>;
}

/** Trouble tells of a draft that was changed in another window and of a message that was refused, which a part does that is loaded for it. */
function Trouble({ draft, refused }: { draft: Draft; refused?: MethodError }) {
  const [told, setTold] = useState(refused);
  useEffect(() => setTold(refused), [refused]);
  const conflict = draft.conflict.value;
  const part = usePart<typeof import("./trouble")>("trouble", conflict || !!told, (error) => say(told ?? error));
  return part ? (
    <>
      {conflict && <part.Conflict draft={draft} />}
      {told && <part.Refused draft={draft} error={told} close={() => setTold(undefined)} asLink={(a) => asLink(draft, a)} />}
    </>
  ) : null;
}

/** Send has the buttons that send now, anyway, or later. */
function Send({ trySend, disabled, anyway }: { trySend: (at?: Date, zone?: string) => void; disabled: boolean; anyway: boolean }) {
  const later = (e: Event) => {
    const at = e.currentTarget as Element;
    load<typeof import("./when")>("when").then((part) => part.offer(at, trySend), say);
  };
  return (
    <div class="split">
      <button type="button" class="button primary" disabled={disabled} title="Ctrl+Enter" onClick={() => trySend()}>
        <Icon name="send" />{t(anyway ? "send_anyway" : "send")}
      </button>
      <button type="button" class="button primary" disabled={disabled} aria-haspopup="menu" aria-label={t("sched")} title={t("sched")} onClick={later}><Icon name="chevron-down" /></button>
    </div>
  );
}

/** more is what is seldom done with a draft. */
function more(draft: Draft, editor: Handle, discard: () => void): MenuItem[] {
  const plainOrRich = () => {
    switchTo(draft, !draft.rich.peek());
    requestAnimationFrame(() => editor.current?.focus());
  };
  return [
    { label: t("plain_text"), checked: !draft.rich.peek(), run: plainOrRich },
    ...("registerProtocolHandler" in navigator ? [{ label: t("handle_links"), icon: "at-sign", run: handleLinks }] : []),
    { label: t("discard"), icon: "trash-2", danger: true, line: true, run: discard },
  ];
}
