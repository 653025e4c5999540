import { useEffect, useState } from "preact/hooks";
import { isMine } from "./people";
import { compose } from "../compose/open";
import { mark, moving, roleMailbox, withUndo } from "../core/actions";
import { later } from "../mail/later";
import { send } from "../core/jmap";
import { may, type Address, type Email } from "../core/mail";
import { briefDate, longDate, t } from "../core/text";
import { Button, IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import { Bounced, Delivery } from "../outbox/lazy";
import { Attachments } from "./attachments";
import { Body } from "./body";
import { Banners } from "./banners";
import { about, detail, type Detail } from "./detail";

/** Message is one message of a conversation: a line, or all of it. */
export function Message({ email: e, open: begins, last }: { email: Email; open: boolean; last: boolean }) {
  const [open, setOpen] = useState(begins);
  if (!open) {
    return (
      <article class="message folded">
        <button onClick={() => setOpen(true)} aria-expanded={false}>
          <Avatar of={e.from?.[0]} />
          <span class="message-from">{writer(e)}</span>
          <span class="message-preview soft">{e.preview}</span>
          <time class="soft" dateTime={e.receivedAt}>{briefDate(new Date(e.receivedAt))}</time>
        </button>
      </article>
    );
  }
  return <Open e={e} close={last ? undefined : () => setOpen(false)} />;
}

function Open({ e, close }: { e: Email; close?: () => void }) {
  const d = detail(e.id).value;
  const a = about(e.id).value;
  const [images, setImages] = useState(false);
  const when = new Date(e.receivedAt);
  useEffect(() => opened(e), [e.id]);
  return (
    <article class="message" aria-label={t("message_from", { who: nameOf(e.from?.[0]) })}>
      <header>
        <Avatar of={e.from?.[0]} />
        <div class="message-head" onClick={close}>
          <span class="message-from">{writer(e)}</span>
          {e.from?.[0]?.name && <span class="message-address soft">{e.from[0].email}</span>}
        </div>
        <time class="soft" dateTime={e.receivedAt} title={longDate(when)}>{briefDate(when)}</time>
        {may(e, "maySetKeywords") && <IconButton
          icon="star"
          class="row-star"
          label={t(e.keywords.$flagged ? "unstar" : "star")}
          pressed={!!e.keywords.$flagged}
          onClick={() => void mark([e.id], "$flagged", !e.keywords.$flagged)}
        />}
        <More e={e} />
        <Who e={e} d={d.value} />
      </header>
      {reports.test(e.from?.[0]?.email ?? "") && <Bounced emailId={e.id} threadId={e.threadId} />}
      <Banners e={e} about={a.value} images={images} showImages={() => setImages(true)} />
      {e.from?.[0] && isMine(e.from[0].email) && !e.keywords.$draft && <Delivery emailId={e.id} />}
      <Body id={e.id} images={images} />
      {d.value && d.value.attachments.length > 0 && (a.value || a.error !== undefined) && <Attachments id={e.id} parts={d.value.attachments} inline={a.value?.inline ?? []} />}
      {d.error !== undefined && <p class="soft">{t("read_failed")}</p>}
      {e.keywords.$draft ? <footer class="answer">
        <Button primary icon="file-pen" onClick={() => void compose({ kind: "draft", emailId: e.id })}>{t("draft_continue")}</Button>
        <Button icon="trash-2" onClick={() => void withUndo(moving([e.id], roleMailbox("trash")), t("draft_discarded"))}>{t("draft_discard")}</Button>
      </footer> : <footer class="answer">
        <Button icon="reply" onClick={() => void compose({ kind: "reply", emailId: e.id })}>{t("reply")}</Button>
        {several(e, d.value) && <Button icon="reply-all" onClick={() => void compose({ kind: "replyAll", emailId: e.id })}>{t("reply_all")}</Button>}
        <Button icon="forward" onClick={() => void compose({ kind: "forward", emailId: e.id })}>{t("forward")}</Button>
      </footer>}
    </article>
  );
}

const told = new Set<string>();

/** opened says that a message is shown, once: whose mail it is can ask when it was read. What was asked for ahead may never be looked at. */
function opened(e: Email): void {
  if (told.has(e.id) || e.keywords.$draft || isMine(e.from?.[0]?.email ?? "")) return;
  told.add(e.id);
  void send(`/m/${e.id}/opened`, { method: "POST" }).catch(() => told.delete(e.id));
}

/** More opens the menu of a message, which is loaded when it is needed. */
function More({ e }: { e: Email }) {
  const show = (event: MouseEvent) => {
    const at = event.currentTarget as Element;
    void later((part) => part.messageMenu(e, at));
  };
  return <IconButton icon="ellipsis-vertical" label={t("more")} menu onClick={show} />;
}

/** reports are the addresses that say that something was not delivered. */
const reports = /^(?:postmaster|mailer-daemon)@/i;

const writer = (e: Email): string => (e.keywords.$draft ? t("draft_word") : nameOf(e.from?.[0]));

function nameOf(a: Address | undefined): string {
  return a ? a.name || a.email : t("nobody");
}

/** several tells whether an answer to all would go to more than the sender. */
function several(e: Email, d: Detail | undefined): boolean {
  const others = new Set([...(d?.to ?? e.to ?? []), ...(d?.cc ?? [])].map((a) => a.email.toLowerCase()).filter((a) => !isMine(a)));
  return others.size > 0;
}

/** hues are enough to tell people apart, and dark enough for white letters in both themes. */
const hues = 12;

function Avatar({ of }: { of: Address | undefined }) {
  const name = nameOf(of);
  const words = name.replace(/[^\p{L}\p{N}\s@.]/gu, "").trim().split(/[\s@.]+/u).filter(Boolean);
  const letters = ((words[0]?.[0] ?? "?") + (of?.name && words.length > 1 ? words.at(-1)![0] : "")).toUpperCase();
  let sum = 0;
  for (const c of of?.email ?? "") sum = (sum * 31 + c.codePointAt(0)!) >>> 0;
  return <span class={`avatar hue-${sum % hues}`} aria-hidden="true">{letters}</span>;
}

/** Who says to whom a message went: in a few words, and in full when they are opened. */
function Who({ e, d }: { e: Email; d: Detail | undefined }) {
  const to = [...(d?.to ?? e.to ?? []), ...(d?.cc ?? []), ...(d?.bcc ?? [])];
  const names = to.map((a) => (isMine(a.email) ? t("me") : a.name || a.email));
  const brief = names.length > 3 ? t("to_and_more", { names: names.slice(0, 2).join(", "), n: names.length - 2 }) : t("to_names", { names: names.join(", ") || t("nobody_yet") });
  return (
    <details class="message-who" onClick={(event) => event.stopPropagation()}>
      <summary><span class="soft">{brief}</span> <Icon name="chevron-down" /></summary>
      <dl>
        <Line label={t("from")} list={d?.from ?? e.from} />
        {d?.sender && d.sender[0]?.email !== d.from?.[0]?.email && <Line label={t("sender")} list={d.sender} />}
        <Line label={t("to")} list={d?.to ?? e.to} />
        <Line label={t("cc")} list={d?.cc} />
        <Line label={t("bcc")} list={d?.bcc} />
        {d?.replyTo && d.replyTo[0]?.email !== d.from?.[0]?.email && <Line label={t("reply_to")} list={d.replyTo} />}
        <div><dt>{t("received")}</dt><dd>{longDate(new Date(e.receivedAt))}</dd></div>
        {d?.sentAt && <div><dt>{t("sent_at")}</dt><dd>{longDate(new Date(d.sentAt))}</dd></div>}
      </dl>
    </details>
  );
}

/** some is how many addresses of a field are shown until somebody wants all. */
const some = 12;

function Line({ label, list }: { label: string; list: Address[] | null | undefined }) {
  const [whole, setWhole] = useState(false);
  if (!list?.length) return null;
  const shown = whole || list.length < 2 * some ? list : list.slice(0, some);
  return (
    <div>
      <dt>{label}</dt>
      <dd>{shown.map((a, i) => <span key={i} class="full-address">{a.name ? `${a.name} <${a.email}>` : a.email}</span>)}
        {shown !== list && <button type="button" class="link" onClick={() => setWhole(true)}>{t("people_all", { n: list.length })}</button>}
      </dd>
    </div>
  );
}
