import { Fragment } from "preact";
import { computed, signal } from "@preact/signals";
import { mailboxes, sharers } from "../core/mail";
import { route } from "../core/route";
import { needsYou, waitingHere } from "../core/outbox";
import { number, t } from "../core/text";
import { compose } from "../compose/open";
import { Button, IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import { empty } from "./act";
import { later } from "./later";
import { branches, folderIcons, nameOf, sharerName, type Branch } from "./names";
import { Quota } from "./quota";
import { drawer, store, stored } from "./state";

/** closed are the folders whose inside is not shown; this browser remembers them. */
const closed = signal<ReadonlySet<string>>(new Set((stored("closed") ?? "").split(" ")));

/** flip shows what is inside a folder, or no longer. */
export function flip(id: string, shut = !closed.peek().has(id)): void {
  const now = new Set(closed.peek());
  if (shut) now.add(id);
  else now.delete(id);
  closed.value = now;
  store("closed", [...now].join(" "));
}

/** shownBox is the mailbox or page whose name is marked, "" while somebody searches or is elsewhere. */
const shownBox = computed(() => (route.value.page === "mail" && !route.value.search ? route.value.mailbox : ""));

export function Folders() {
  const { roles, own } = branches(closed.value);
  const counted = roles.filter(({ m }) => m.role !== "outbox" || m.totalEmails + needsYou.value > 0 || shownBox.value === "outbox");
  const waits = waitingHere.value.length > 0 && !counted.some(({ m }) => m.role === "outbox");
  return (
    <>
      <div class="write wide"><Button primary icon="square-pen" onClick={() => void compose({})}>{t("write")}</Button></div>
      <ul class="folder-list" onKeyDown={keys}>{counted.map((b) => <Folder key={b.m.id} {...b} />)}
        {waits && <Place to="outbox" icon="clock" name={t("mailbox_outbox")} count={waitingHere.value.length} />}
        <Place to="contacts" icon="book-user" name={t("contacts")} />
      </ul>
      <div class="folder-head">
        <h2>{t("own_folders")}</h2>
        <IconButton icon="plus" label={t("new_folder")} onClick={() => void later((part) => part.newFolder())} />
      </div>
      {own.length > 0 && <ul class="folder-list" onKeyDown={keys}>{own.map((b) => <Folder key={b.m.id} {...b} />)}</ul>}
      {sharers.value.map((s) => {
        const theirs = branches(closed.value, s.id).own;
        return theirs.length > 0 && <Fragment key={s.id}>
          <div class="folder-head"><h2 title={s.address}>{t("shared_by", { who: sharerName(s.id) })}</h2></div>
          <ul class="folder-list" onKeyDown={keys}>{theirs.map((b) => <Folder key={b.m.id} {...b} />)}</ul>
        </Fragment>;
      })}
      {mailboxes.value.length === 0 && <p class="soft folder-none">{t("loading")}</p>}
      <Quota />
    </>
  );
}

/** Place is a page among the folders that is none. */
function Place({ to, icon, name, count = 0 }: { to: string; icon: string; name: string; count?: number }) {
  const current = shownBox.value === to;
  return (
    <li class={`folder ${current ? "current" : ""}`}>
      <span class="fold" />
      <a href={`/mail/${to}`} data-id={to} aria-current={current ? "page" : undefined} onClick={() => (drawer.value = false)}>
        <Icon name={icon} />
        <span class="folder-name">{name}</span>
        {count > 0 && <span class="count">{number(count)}</span>}
      </a>
    </li>
  );
}

function Folder({ m, depth, children }: Branch) {
  const current = shownBox.value === m.id || shownBox.value === m.role;
  const all = m.role === "drafts" || m.role === "outbox";
  const count = m.role === "outbox" ? m.totalEmails + needsYou.value : all ? m.totalEmails : m.role === "sent" || m.role === "trash" ? 0 : m.unreadThreads;
  const shut = closed.value.has(m.id);
  const menu = (at: Element) => later((part) => part.folderMenu(m, at, empty));
  return (
    <li class={`folder ${current ? "current" : ""}`} style={{ paddingInlineStart: `${depth * 0.9}rem` }} data-drop={m.myRights.mayAddItems === false ? undefined : m.id}>
      {children ? <button type="button" class="icon fold" tabIndex={-1} aria-expanded={!shut} aria-label={t("subfolders_of", { folder: nameOf(m) })} onClick={() => flip(m.id)}><Icon name={shut ? "chevron-right" : "chevron-down"} /></button> : <span class="fold" />}
      <a href={`/mail/${m.role ?? m.id}`} aria-current={current ? "page" : undefined} data-children={children ? (shut ? "shut" : "open") : undefined} data-id={m.id} onClick={() => (drawer.value = false)} onContextMenu={(e) => (e.preventDefault(), menu(e.currentTarget))}>
        <Icon name={folderIcons[m.role ?? m.was ?? ""] ?? "folder"} />
        <span class={`folder-name ${count > 0 && !all ? "has-unread" : ""} ${m.isSubscribed || m.role ? "" : "soft"}`} title={nameOf(m)}>{nameOf(m)}</span>
        {count > 0 && <span class="count">{number(count)}<span class="hidden"> {t(all ? "in_all_word" : "unread_word")}</span></span>}
      </a>
      <button type="button" class="icon folder-more" tabIndex={-1} aria-label={t("more_about", { folder: nameOf(m) })} onClick={(e) => menu(e.currentTarget)}><Icon name="ellipsis" /></button>
    </li>
  );
}

/** keys go from folder to folder with the arrows, open and shut them, and open the menu. */
function keys(e: KeyboardEvent): void {
  const link = (e.target as Element).closest<HTMLAnchorElement>("a[data-id]");
  if (!link || e.ctrlKey || e.metaKey || e.altKey) return;
  const links = [...document.querySelectorAll<HTMLAnchorElement>(".folders a[data-id]")];
  const at = links.indexOf(link);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 }[e.key];
  const rtl = document.dir === "rtl";
  if (to !== undefined) links[to]?.focus();
  else if (e.key === (rtl ? "ArrowLeft" : "ArrowRight") && link.dataset.children === "shut") flip(link.dataset.id!, false);
  else if (e.key === (rtl ? "ArrowRight" : "ArrowLeft") && link.dataset.children === "open") flip(link.dataset.id!, true);
  else return;
  e.preventDefault();
  e.stopPropagation();
}
