import { Component, type ComponentChildren } from "preact";
import { useComputed } from "@preact/signals";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { first } from "../core/first";
import { email, inThread, known, mailbox, type Email } from "../core/mail";
import { isUnread } from "../core/actions";
import { go, route } from "../core/route";
import { briefDate, longDate, t } from "../core/text";
import { compose } from "../compose/open";
import { IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import { archive, read, remove, star } from "./act";
import { near as comesNear, notNear } from "./ahead";
import { labelName, labelsOf, labelStyle } from "../core/labels";
import { nameOf } from "./names";
import { later } from "./later";
import { rowMenu } from "./menus";
import { sentOf, told } from "./sent";
import { Snippet, snippet } from "./snippets";
import { can, cursor, found, here, isSelected, list, present, selection } from "./state";

/** Row is a conversation, or a message that was searched for. One that cannot be shown does not keep the others from it. */
export function Row({ id, index, tab }: { id: string | undefined; index: number; tab: boolean }) {
  return (
    <Guard key={id} id={id} index={index} tab={tab}>
      <Shown id={id} index={index} tab={tab} />
    </Guard>
  );
}

class Guard extends Component<{ id: string | undefined; index: number; tab: boolean; children: ComponentChildren }, { broken: boolean }> {
  override state = { broken: false };

  override componentDidCatch(error: unknown): void {
    console.error("row", this.props.id, error);
    this.setState({ broken: true });
  }

  override render() {
    const { id, index, tab, children } = this.props;
    if (!this.state.broken || !id) return children;
    return (
      <div class={`row broken ${isSelected(id) ? "selected" : ""}`} role="row" aria-rowindex={index + 1} data-id={id} tabIndex={tab ? 0 : -1}>
        <span role="gridcell" class="row-check"><Check id={id} chosen={isSelected(id)} /></span>
        <span role="gridcell" class="row-link">{t("row_broken")}</span>
      </div>
    );
  }
}

function Shown({ id, index, tab }: { id: string | undefined; index: number; tab: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  const { at, chosen, open } = useMarks(id);
  const [near, setNear] = useState(false);
  useLayoutEffect(() => {
    if (!at) return;
    const focused = document.activeElement;
    if (focused === document.body || focused?.closest("#list")) box.current?.focus({ preventScroll: true });
  }, [at]);
  const e = id && email(id).value;
  if (!e) return <div class="row waiting" role="row" aria-rowindex={index + 1} ref={box} tabIndex={tab ? 0 : -1}><span role="gridcell" aria-label={t("loading")} /></div>;
  const all = found.value ? [] : present(inThread(e.threadId));
  const emails = all.length ? all : [e];
  const unread = emails.some(isUnread);
  const starred = emails.some((x) => x.keywords.$flagged);
  const received = new Date(e.receivedAt);
  const when = longDate(received);
  const who = people(emails);
  const subject = e.subject || t("no_subject");
  const words = found.value ? snippet(list.value!, e.id).value : undefined;
  const sent = sentOf(emails);
  const way = sent.length ? told(sent) : undefined;
  return (
    <div
      ref={box}
      class={`row ${unread ? "unread" : ""} ${open ? "open" : ""} ${chosen ? "selected" : ""} ${at ? "cursor" : ""}`}
      role="row" aria-rowindex={index + 1} aria-selected={chosen} aria-label={spoken(e, emails, who, when, unread, starred, way?.name)}
      data-id={e.id} tabIndex={tab ? 0 : -1}
      onFocus={() => (cursor.value = e.id)} onPointerEnter={(event) => (setNear(true), event.pointerType === "mouse" && comesNear(e.threadId))}
      onPointerLeave={() => (setNear(false), notNear())} onPointerDown={() => comesNear(e.threadId, 0)}
      onContextMenu={(event) => rowMenu(event, e.id)}
      onClick={(event) => clicked(event, e)}
    >
      <span role="gridcell" class="row-check"><Check id={e.id} chosen={chosen} /></span>
      <span role="gridcell" class="row-text">
        <a class="row-link" href={linkTo(e)} tabIndex={-1} draggable={false}>
          <span class="row-who">{who}{emails.length > 1 && <span class="row-count"> {emails.length}</span>}</span>
          <span class="row-marks soft">
            {emails.some((x) => x.hasAttachment) && <Icon name="paperclip" />}
            {emails.some((x) => x.keywords.$answered) && <Icon name="reply" />}
            {sent.length > 0 && <span class={`row-way ${way?.bad ? "why" : ""}`} title={way?.name}>{way && <Icon name={way.icon} />}</span>}
            <time dateTime={e.receivedAt} title={when}>{briefDate(received)}</time>
          </span>
          <span class="row-subject">
            {found.value && <Where e={e} />}
            {labelsOf(emails).slice(0, 3).map((k) => <span key={k} class="label" style={labelStyle(k)}>{labelName(k)}</span>)}
            {words?.subject ? <Snippet text={words.subject} /> : subject}
          </span>
          <span class={`row-preview ${way?.bad ? "why" : "soft"}`}>{way?.said ? way.said : words?.preview ? <Snippet text={words.preview} /> : e.preview}</span>
        </a>
      </span>
      <span role="gridcell" class="row-star-cell">
        {can("flag") && <button type="button" class="icon row-star" tabIndex={-1} aria-label={t(starred ? "unstar" : "star")} aria-pressed={starred} onClick={() => void star(!starred, [e.id])}>
          <Icon name="star" />
        </button>}
      </span>
      {(near || at) && <span role="gridcell" class="row-actions">
        {here.value?.role !== "archive" && can("file") && <IconButton icon="archive" tab={-1} label={t("archive")} keys="e" onClick={() => void archive([e.id])} />}
        {can("remove") && <IconButton icon="trash-2" tab={-1} label={t(can("file") ? "to_trash" : "delete_for_ever")} keys="#" onClick={() => void remove([e.id])} />}
        {can("read") && <IconButton icon={unread ? "mail-open" : "mail"} tab={-1} label={t(unread ? "mark_read" : "mark_unread")} onClick={() => void read(unread, [e.id])} />}
      </span>}
    </div>
  );
}

/** marks are of what differs from row to row and changes often. */
const marks = { at: 1, chosen: 2, open: 4 };

/** useMarks tells whether a row is the one that the keys act on, is chosen, is open; a change draws the rows that it means. */
function useMarks(id: string | undefined): Record<keyof typeof marks, boolean> {
  const now = useComputed(() => {
    if (id === undefined) return 0;
    const at = cursor.value === id;
    const open = route.value.thread !== "" && route.value.thread === email(id).value?.threadId && (!found.value || at);
    return +at * marks.at + +isSelected(id) * marks.chosen + +open * marks.open;
  }).value;
  return { at: !!(now & marks.at), chosen: !!(now & marks.chosen), open: !!(now & marks.open) };
}

function Check({ id, chosen }: { id: string; chosen: boolean }) {
  return <input type="checkbox" tabIndex={-1} aria-label={t("choose")} checked={chosen} onClick={(e) => (e.stopPropagation(), void choose(id, e.shiftKey))} />;
}

/** Where is the mailbox in which a message was found. */
function Where({ e }: { e: Email }) {
  const m = Object.keys(e.mailboxIds).map(mailbox).find((x) => x);
  return m ? <span class="label where">{nameOf(m)}</span> : null;
}

const linkTo = (e: Email): string => `/mail/${encodeURIComponent(route.peek().mailbox)}/${e.threadId}${location.search}`;

/** clicked opens what a row shows, or chooses it with Ctrl or Shift, or where some are chosen already on a touch screen. */
function clicked(event: MouseEvent, e: Email): void {
  const target = event.target as Element;
  if (target.closest("button, input")) return;
  event.preventDefault();
  const chosen = selection.peek().all || selection.peek().ids.size > 0;
  if (event.ctrlKey || event.metaKey || event.shiftKey) return void choose(e.id, event.shiftKey);
  if (chosen && matchMedia("(hover: none)").matches) return void choose(e.id, false);
  openRow(e.id);
}

/** openRow opens what a row stands for: a conversation, or a draft to go on with. */
export function openRow(id: string, replace = false): void {
  const e = known(id);
  if (!e) return;
  cursor.value = id;
  if (e.keywords.$draft && mailbox("drafts") && e.mailboxIds[mailbox("drafts")!.id]) return void compose({ kind: "draft", emailId: id });
  go({ thread: e.threadId }, replace);
}

let anchor = ""; // the row that was chosen last, where a range begins

/** choose chooses a row or no longer does; with range, all from the one before up to it, also those that were never looked at. */
export async function choose(id: string, range: boolean): Promise<void> {
  const l = list.peek();
  const { ids, all } = selection.peek();
  const on = ids.has(id) === all;
  const [from, to] = [l?.indexOf(anchor) ?? -1, l?.indexOf(id) ?? -1].sort((a, b) => a - b) as [number, number];
  anchor = id;
  cursor.value = id;
  let some: (string | undefined)[] = [id];
  if (l && range && from >= 0) some = Array.from({ length: to - from + 1 }, (_, i) => l.at(from + i));
  if (some.includes(undefined)) some = (await later((part) => part.rowIds(l!, from, to).catch(() => {}))) ?? some;
  if (list.peek() !== l) return;
  const chosen = new Set(selection.peek().ids);
  for (const one of some) {
    if (one !== undefined && on !== all) chosen.add(one);
    else if (one !== undefined) chosen.delete(one);
  }
  selection.value = { all, ids: chosen };
}

/** people are who wrote a conversation, first names where there are several; of what one sent oneself, to whom. */
function people(emails: Email[]): string {
  const role = here.value?.role;
  const outgoing = !found.value && (role === "sent" || role === "drafts" || role === "outbox");
  const names = new Map<string, string>();
  const shown = outgoing ? emails.filter((e) => e.mailboxIds[here.value!.id]) : emails;
  for (const e of shown) {
    if (e.keywords.$draft && !outgoing) names.set("", t("draft_word"));
    else for (const a of (outgoing ? e.to : e.from) ?? []) {
      const address = a.email.toLowerCase();
      names.set(address, !outgoing && emails.length > 1 && address === first.account.address.toLowerCase() ? t("me_too") : a.name || a.email);
    }
  }
  const all = [...names.values()].slice(-3);
  if (all.length === 0) return t(outgoing ? "nobody_yet" : "nobody");
  const said = (all.length > 1 ? all.map((n) => n.split(/[\s,@]+/)[0]!) : all).join(", ");
  return outgoing ? t("to_people", { people: said }) : said;
}

/** spoken is what a screen reader says of a row. */
function spoken(e: Email, emails: Email[], who: string, when: string, unread: boolean, starred: boolean, way?: string): string {
  return [
    unread && t("unread"), starred && t("starred"), who, e.subject || t("no_subject"), way, when,
    emails.length > 1 && t("messages_in_it", { n: emails.length }), emails.some((x) => x.hasAttachment) && t("with_attachment"), e.preview.slice(0, 100),
  ].filter((x) => x).join(", ");
}
