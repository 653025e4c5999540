import { useRef } from "preact/hooks";
import { email, inThread, type Email } from "../core/mail";
import { isUnread, keyword, moving, roleMailbox, withUndo } from "../core/actions";
import { go, route } from "../core/route";
import { briefDate, longDate, t } from "../core/text";
import { IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import { Virtual, type VirtualHandle } from "../ui/virtual";
import { nameOf } from "./folders";
import { cursor, here, list, selected } from "./state";

export const rowHeight = 72;

export function MailList() {
  const l = list.value;
  const handle = useRef<VirtualHandle | null>(null);
  if (!l) return <p class="nothing">{t("loading")}</p>;
  void l.version.value;
  const total = l.total.value;
  return (
    <>
      <div class="list-head">
        <h1>{route.value.search ? t("found") : here.value ? nameOf(here.value) : ""}</h1>
        {total !== undefined && <span class="soft">{t("conversations", { n: total })}</span>}
      </div>
      {total === 0 ? <p class="nothing">{t("empty_list")}</p> : (
        <Virtual
          id="list"
          count={total ?? 0}
          height={rowHeight}
          handle={handle}
          label={t("messages")}
          onRange={(from, to) => l.need(from, to)}
          row={(i) => <Row id={l.at(i)} />}
        />
      )}
    </>
  );
}

function Row({ id }: { id: string | undefined }) {
  const e = id && email(id).value;
  if (!e) return <div class="row waiting" aria-hidden="true" />;
  const all = inThread(e.threadId);
  const emails = all.length ? all : [e];
  const unread = emails.some(isUnread);
  const mailbox = route.value.mailbox;
  const open = route.value.thread === e.threadId;
  return (
    <article class={`row ${unread ? "unread" : ""} ${open ? "open" : ""} ${selected.value.has(e.id) ? "selected" : ""} ${cursor.value === e.id ? "cursor" : ""}`}>
      <input
        type="checkbox"
        aria-label={t("choose")}
        checked={selected.value.has(e.id)}
        onChange={() => {
          const s = new Set(selected.value);
          if (!s.delete(e.id)) s.add(e.id);
          selected.value = s;
        }}
      />
      <a class="row-link" href={`/mail/${mailbox}/${e.threadId}${location.search}`} onClick={() => (cursor.value = e.id)}>
        <span class="row-who">{people(emails)}{emails.length > 1 && <span class="soft"> {emails.length}</span>}</span>
        <time class="row-when soft" dateTime={e.receivedAt} title={longDate(new Date(e.receivedAt))}>{briefDate(new Date(e.receivedAt))}</time>
        <span class="row-subject">{e.subject || t("no_subject")}</span>
        <span class="row-preview soft">{e.preview}</span>
        {e.hasAttachment && <Icon name="paperclip" class="row-clip" />}
      </a>
      <IconButton
        icon="star"
        class="row-star"
        label={t(e.keywords.$flagged ? "unstar" : "star")}
        pressed={!!e.keywords.$flagged}
        onClick={() => void keyword([e.id], "$flagged", !e.keywords.$flagged)}
      />
      <span class="row-actions">
        <IconButton icon="archive" label={t("archive")} onClick={() => put(e, "archive")} />
        <IconButton icon="trash-2" label={t("to_trash")} onClick={() => put(e, "trash")} />
      </span>
    </article>
  );
}

/** put moves a conversation, as far as it lies here, to the mailbox with a role. */
function put(e: Email, role: string): void {
  const from = here.peek()?.id;
  const ids = inThread(e.threadId).filter((x) => !from || x.mailboxIds[from]).map((x) => x.id);
  const l = list.peek();
  l?.drop([e.id]);
  if (route.peek().thread === e.threadId) go({ thread: "" });
  void withUndo(moving(ids.length ? ids : [e.id], roleMailbox(role), from), t(`done_${role}`), () => void l?.refresh());
}

/** people are who wrote a conversation; of what one sent oneself, to whom. */
function people(emails: Email[]): string {
  const outgoing = here.value?.role === "sent" || here.value?.role === "drafts" || here.value?.role === "outbox";
  const names = new Set<string>();
  for (const e of emails) for (const a of (outgoing ? e.to : e.from) ?? []) names.add(a.name || a.email);
  return [...names].slice(-3).join(", ") || t("nobody");
}
