// A window to write in: at the foot of the page on wide screens, the whole screen on narrow ones.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { say } from "../core/actions";
import { first } from "../core/first";
import { MethodError, online, sessionOver } from "../core/jmap";
import { load } from "../core/load";
import { t } from "../core/text";
import { Button, IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import { MenuButton, type MenuItem } from "../ui/menu";
import { asLink, attach, Files, resume } from "./attachments";
import { signatureText, swapSignature } from "./begin";
import { choose, link, Plain, QuoteFold, Rich, switchTo, Toolbar, type Editing } from "./editor";
import { hintsOf, lastHints, type Hint } from "./hints";
import { identities, type Identity } from "./identity";
import type { Draft } from "./model";
import { handleLinks } from "./open";
import { Recipients } from "./recipients";

/** Size is how a window stands. */
export type Size = "open" | "small" | "large";

export function Window({ draft, stand, offset, refused, onStand, onClose, onDiscard, onSend }: {
  draft: Draft;
  stand: Size;
  offset: number; // how far from the edge, in rem: the newest is nearest
  refused?: MethodError;
  onStand: (s: Size) => void;
  onClose: () => void;
  onDiscard: () => void;
  onSend: (at?: Date, zone?: string) => void;
}) {
  const root = useRef<HTMLElement>(null);
  const editor = useRef<Editing | null>(null);
  const to = useRef<HTMLInputElement>(null);
  const cc = useRef<HTMLInputElement>(null);
  const bcc = useRef<HTMLInputElement>(null);
  const subject = useRef<HTMLInputElement>(null);
  const [showCc, setShowCc] = useState(draft.cc.peek().length > 0);
  const [showBcc, setShowBcc] = useState(draft.bcc.peek().length > 0);
  const [format, setFormat] = useState(innerWidth >= 700);
  const [over, setOver] = useState(false);
  const last = useSignal<Hint[]>([]);
  const dismissed = useSignal<ReadonlySet<string>>(new Set());
  const asked = useRef(new Set<string>()); // hints that were seen when somebody wanted to send
  const [waits, setWaits] = useState<{ at?: Date; zone?: string } | undefined>(); // for files on their way
  const [told, setTold] = useState(refused);
  useEffect(() => setTold(refused), [refused]);

  useEffect(() => {
    resume(draft);
    if (!draft.to.peek().length) to.current?.focus();
    else if (!draft.subject.peek()) subject.current?.focus();
    else editor.current?.focus();
  }, [draft]);
  useEffect(() => {
    if (stand !== "small") return;
    draft.read();
  }, [stand]);

  const pick = () => choose("", (files) => void attach(draft, files).catch(say));
  const does = {
    attach: pick,
    subject: () => subject.current?.focus(),
    ...(draft.answering?.keyword === "$answered" && draft.to.peek()[0] ? {
      onlySender: () => {
        draft.to.value = draft.to.peek().slice(0, 1);
        draft.cc.value = [];
      },
    } : {}),
  };
  const hints = [...hintsOf(draft, does), ...last.value].filter((h) => !dismissed.value.has(h.key));
  const nobody = draft.to.value.length + draft.cc.value.length + draft.bcc.value.length === 0;

  const trySend = (at?: Date, zone?: string) => {
    (document.activeElement as HTMLElement | null)?.blur(); // what stands in a field of addressees becomes a chip
    setTimeout(() => {
      if (draft.to.peek().length + draft.cc.peek().length + draft.bcc.peek().length === 0) {
        to.current?.focus();
        return;
      }
      // Of a draft that another window changed, one would be taken for the other.
      if (draft.conflict.peek()) return root.current?.querySelector<HTMLElement>(".compose-note button")?.focus();
      last.value = lastHints(draft, does);
      const all = [...hintsOf(draft, does), ...last.value].filter((h) => !dismissed.peek().has(h.key));
      const stops = all.some((h) => h.weight === "stops");
      const fresh = all.filter((h) => h.weight === "asks" && !asked.current.has(h.key));
      for (const h of fresh) asked.current.add(h.key);
      if (stops || fresh.length) return root.current?.querySelector<HTMLElement>(".hints button, .hints")?.focus();
      if (draft.files.peek().some((a) => a.state.peek() === "failed") || draft.size.peek() > first.maxSize) {
        return root.current?.querySelector<HTMLElement>(".files .failed button, .files button")?.focus();
      }
      if (draft.uploading.peek() && (online.peek() || draft.files.peek().some((a) => a.upload && !a.link))) return setWaits({ at, zone });
      onSend(at, zone);
    });
  };
  useEffect(() => {
    if (!waits || draft.uploading.value) return;
    setWaits(undefined);
    if (!draft.files.peek().some((a) => a.state.peek() === "failed")) onSend(waits.at, waits.zone);
  }, [waits, draft.uploading.value]);

  const keys = (e: KeyboardEvent) => {
    const mod = e.ctrlKey || e.metaKey;
    if (e.key === "Enter" && mod) trySend();
    else if (e.key === "k" && mod && draft.rich.peek()) void link(editor);
    else if (mod && e.shiftKey && e.code === "KeyC") openCc();
    else if (mod && e.shiftKey && e.code === "KeyB") openBcc();
    else if (e.key === "Escape" && !e.defaultPrevented) onClose();
    else {
      if (stand !== "small") e.stopPropagation(); // the keys of the page rest while somebody writes
      return;
    }
    e.preventDefault();
    e.stopPropagation();
  };
  const openCc = () => {
    setShowCc(true);
    requestAnimationFrame(() => cc.current?.focus());
  };
  const openBcc = () => {
    setShowBcc(true);
    requestAnimationFrame(() => bcc.current?.focus());
  };
  const fields = { to: { label: t("to"), chips: draft.to }, cc: { label: t("cc"), chips: draft.cc, open: () => setShowCc(true) }, bcc: { label: t("bcc"), chips: draft.bcc, open: () => setShowBcc(true) } };

  const plainOrRich = () => {
    switchTo(draft, !draft.rich.peek());
    requestAnimationFrame(() => editor.current?.focus());
  };
  const more = (): MenuItem[] => [
    { label: t("plain_text"), checked: !draft.rich.peek(), run: plainOrRich },
    ...("registerProtocolHandler" in navigator ? [{ label: t("handle_links"), icon: "at-sign", run: handleLinks }] : []),
    { label: t("discard"), icon: "trash-2", danger: true, line: true, run: onDiscard },
  ];
  const later = (e: Event) => {
    const at = e.currentTarget as Element;
    load<typeof import("./when")>("when").then((part) => part.offer(at, (to, zone) => void trySend(to, zone)), say);
  };

  const title = draft.subject.value || t(draft.answering ? (draft.answering.keyword === "$answered" ? "compose_reply" : "compose_forward") : "compose_new");
  const style = useMemo(() => ({ "--offset": String(offset) }), [offset]);
  return (
    <section
      ref={root}
      class={`compose ${stand} ${over ? "over" : ""}`}
      style={style}
      role="dialog"
      aria-label={title}
      onKeyDown={keys}
      onDragOver={(e) => {
        if (!e.dataTransfer?.types.includes("Files")) return;
        e.preventDefault();
        setOver(true);
      }}
      onDragLeave={(e) => {
        if (!root.current!.contains(e.relatedTarget as Node | null)) setOver(false);
      }}
      onDrop={(e) => {
        setOver(false);
        const files = [...(e.dataTransfer?.files ?? [])];
        if (!files.length) return;
        e.preventDefault();
        e.stopPropagation();
        if (draft.rich.peek() && (e.target as Element).closest(".editor") && files.every((f) => f.type.startsWith("image/"))) editor.current?.pictures(files);
        else void attach(draft, files).catch(say);
      }}
      onPaste={(e) => {
        const files = [...(e.clipboardData?.files ?? [])];
        if (!files.length || e.clipboardData!.types.includes("text/html")) return;
        e.preventDefault();
        e.stopPropagation();
        // Pictures that are pasted into the text are the editor's.
        const inText = draft.rich.peek() && !!(e.target as Element).closest(".editor");
        void attach(draft, files.filter((f) => !inText || !f.type.startsWith("image/"))).catch(say);
      }}
    >
      <div class="compose-head" onDblClick={() => onStand(stand === "small" ? "open" : "small")}>
        <h2 class="compose-title">{stand === "small" ? <button type="button" onClick={() => onStand("open")}>{title}</button> : title}</h2>
        <SavedState draft={draft} />
        <IconButton icon={stand === "small" ? "chevron-up" : "minus"} class="only-wide" label={t(stand === "small" ? "compose_open" : "compose_minimise")} onClick={() => onStand(stand === "small" ? "open" : "small")} />
        <IconButton icon={stand === "large" ? "minimize-2" : "maximize-2"} class="only-wide" label={t(stand === "large" ? "compose_restore" : "compose_maximise")} onClick={() => onStand(stand === "large" ? "open" : "large")} />
        <IconButton icon="x" label={t("compose_close")} keys="Esc" onClick={onClose} />
      </div>
      <div class="compose-inside" hidden={stand === "small"}>
        {draft.conflict.value && <Conflict draft={draft} />}
        {told && <Refused error={told} close={() => setTold(undefined)} draft={draft} />}
        <div class="compose-scroll">
          <div class="compose-fields">
            {identities.value.length > 1 && <From draft={draft} editor={editor} />}
            <div class="line">
              <span class="line-name" aria-hidden="true">{t("to")}</span>
              <Recipients {...fields.to} others={[fields.cc, fields.bcc]} inputRef={to} onEnter={() => subject.current?.focus()} />
              {!showCc && !showBcc && <IconButton icon="chevron-down" class="more-fields" label={`${t("cc")}, ${t("bcc")}`} onClick={() => {
                setShowBcc(true);
                openCc();
              }} />}
              {!showCc && <button type="button" class="link" onClick={openCc} title="Ctrl+Shift+C">{t("cc")}</button>}
              {!showBcc && <button type="button" class="link" onClick={openBcc} title="Ctrl+Shift+B">{t("bcc")}</button>}
            </div>
            {showCc && <div class="line"><span class="line-name" aria-hidden="true">{t("cc")}</span><Recipients {...fields.cc} others={[fields.to, fields.bcc]} inputRef={cc} /></div>}
            {showBcc && <div class="line"><span class="line-name" aria-hidden="true">{t("bcc")}</span><Recipients {...fields.bcc} others={[fields.to, fields.cc]} inputRef={bcc} /></div>}
            <div class="line">
              <input
                ref={subject} class="subject" aria-label={t("compose_subject")} placeholder={t("compose_subject")} value={draft.subject.value} spellcheck dir="auto"
                onInput={(e) => (draft.subject.value = e.currentTarget.value)}
                onKeyDown={(e) => {
                  if (e.key === "Enter" && !e.ctrlKey && !e.metaKey) {
                    e.preventDefault();
                    editor.current?.focus();
                  }
                }}
              />
            </div>
          </div>
          {draft.rich.value
            ? <Rich draft={draft} handle={editor} label={t("compose_text")} onKeyDown={() => {}} />
            : <Plain draft={draft} handle={editor} label={t("compose_text")} onKeyDown={() => {}} />}
          <QuoteFold draft={draft} handle={editor} />
          <Files draft={draft} />
        </div>
        {draft.rich.value && format && <Toolbar handle={editor} />}
        {hints.length > 0 && (
          <div class="hints" tabIndex={-1} role="status"><ul>
            {hints.map((h) => (
              <li key={h.key} class={h.weight}>
                <Icon name={h.weight === "tells" ? "info" : "circle-alert"} />
                <span>{h.text}</span>
                {h.action && <button type="button" class="link" onClick={() => {
                  dismissed.value = new Set([...dismissed.peek(), h.key]);
                  h.run?.();
                }}>{h.action}</button>}
                {h.weight !== "stops" && <IconButton icon="x" label={t("hint_dismiss")} onClick={() => (dismissed.value = new Set([...dismissed.peek(), h.key]))} />}
              </li>
            ))}
          </ul></div>
        )}
        {waits && <p class="compose-waits" role="status">{t("waits_for_files")} <button type="button" class="link" onClick={() => setWaits(undefined)}>{t("cancel")}</button></p>}
        <footer class="compose-foot">
          <div class="split">
            <button type="button" class="button primary" disabled={nobody || !!waits} title="Ctrl+Enter" onClick={() => trySend()}>
              <Icon name="send" />{t(hints.some((h) => h.weight === "asks" && asked.current.has(h.key)) ? "send_anyway" : "send")}
            </button>
            <button type="button" class="button primary" disabled={nobody || !!waits} aria-haspopup="menu" aria-label={t("sched")} title={t("sched")} onClick={later}><Icon name="chevron-down" /></button>
          </div>
          <IconButton icon="paperclip" label={t("attach")} onClick={pick} />
          {draft.rich.value && <IconButton icon="type" label={t("format")} pressed={format} onClick={() => setFormat(!format)} />}
          {draft.rich.value && !format && <IconButton icon="image" label={t("picture")} onClick={() => choose("image/*", (f) => editor.current?.pictures(f))} />}
          <span class="gap" />
          <MenuButton label={t("more")} items={more} icon="ellipsis-vertical" />
          <IconButton icon="trash-2" label={t("discard")} onClick={onDiscard} />
        </footer>
      </div>
      {over && <div class="drop-here" aria-hidden="true"><Icon name="paperclip" /> {t("drop_here")}</div>}
    </section>
  );
}

/** SavedState says how well what was typed is kept. */
function SavedState({ draft }: { draft: Draft }) {
  const s = draft.saved.value;
  if (s === "nothing") return null;
  if (s === "refused") return <span class="saved why" role="alert" title={draft.refusal.value}><Icon name="circle-alert" />{t("saved_refused")}</span>;
  return <span class="saved soft">{s === "saved" ? t("saved") : s === "line" ? t(sessionOver.value ? "saved_signed_out" : "saved_here") : t("saving")}</span>;
}

/** Conflict says that two windows changed the same draft. */
function Conflict({ draft }: { draft: Draft }) {
  const keep = () => {
    // This one becomes a draft of its own.
    draft.messageId = `${crypto.randomUUID()}@${draft.messageId.split("@").at(-1)}`;
    draft.emailId = "";
    draft.conflict.value = false;
    draft.touch();
    void draft.save();
  };
  return (
    <div class="compose-note warn" role="alert">
      <Icon name="layers" /><span>{t("conflict")}</span><Button onClick={keep}>{t("conflict_keep")}</Button>
    </div>
  );
}

/** Told is what the server says of a refusal in words. */
interface Why {
  cause: string;
  title: string;
  text: string;
  action?: string;
  suggestion?: string;
}

/** Refused says why a message was not taken, and mends what can be mended. */
function Refused({ error, draft, close }: { error: MethodError; draft: Draft; close: () => void }) {
  const recipients = Object.entries((error.detail.recipients ?? {}) as Record<string, Why>);
  const why: Why | undefined = error.detail.why;
  const change = (email: string, domain: string) => {
    for (const field of [draft.to, draft.cc, draft.bcc]) {
      field.value = field.peek().map((c) => (c.email === email ? { ...c, email: `${email.slice(0, email.lastIndexOf("@"))}@${domain}` } : c));
    }
    if (recipients.length === 1) close();
  };
  const leave = (email: string) => {
    for (const field of [draft.to, draft.cc, draft.bcc]) field.value = field.peek().filter((c) => c.email !== email);
    if (recipients.length === 1) close();
  };
  return (
    <div class="compose-note bad" role="alert">
      <Icon name="circle-alert" />
      <div>
        {!recipients.length && <p><strong>{why?.title ?? t("not_sent")}</strong> {why?.text ?? t(error.type === "blobNotFound" ? "files_again" : error.type === "overQuota" ? "sent_full" : "not_sent_again")} {why?.action}{" "}
          {error.type === "overQuota" && <a href="/settings/storage">{t("sent_full_room")}</a>}
          {why?.cause.startsWith("content.too-large") && <button type="button" class="link" onClick={() => {
            close();
            for (const a of draft.files.peek()) if (!a.cid && !a.upload) asLink(draft, a);
          }}>{t("large_link")}</button>}
        </p>}
        {recipients.map(([email, w]) => (
          <p key={email}>
            <strong>{email}</strong>: {w.text || w.title}{" "}
            {w.suggestion
              ? <button type="button" class="link" onClick={() => change(email, w.suggestion!)}>{t("hint_domain_change", { right: w.suggestion })}</button>
              : <button type="button" class="link" onClick={() => leave(email)}>{t("leave_out")}</button>}
          </p>
        ))}
        {error.detail.traceId && <p class="soft">{t("not_sent_reference", { id: error.detail.traceId })}</p>}
      </div>
      <IconButton icon="x" label={t("close")} onClick={close} />
    </div>
  );
}

/** From chooses who one writes as; the signature changes with it where it stands as it was put in. */
function From({ draft, editor }: { draft: Draft; editor: { current: Editing | null } }) {
  const chosen = draft.identity.value;
  const change = (i: Identity | undefined) => {
    draft.read();
    const before = draft.identity.peek();
    const [from, to] = [signatureText(before), signatureText(i)];
    draft.html = swapSignature(draft.html, before, i);
    draft.text = from && draft.text.includes(from) ? draft.text.replace(from, () => to) : from ? draft.text : draft.text + to;
    draft.identity.value = i;
    editor.current?.set();
  };
  return (
    <label class="line">
      <span class="line-name">{t("from")}</span>
      <select value={chosen?.id} onChange={(e) => change(identities.peek().find((i) => i.id === e.currentTarget.value))}>
        {identities.value.map((i) => <option key={i.id} value={i.id}>{i.name ? `${i.name} <${i.email}>` : i.email}</option>)}
      </select>
    </label>
  );
}
