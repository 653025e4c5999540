import { mailbox } from "../core/mail";
import { route } from "../core/route";
import { number, t } from "../core/text";
import { compose } from "../compose/open";
import { Icon } from "../ui/icon";
import { drawer } from "./state";

/** BottomBar is what a narrow screen has at its foot. */
export function BottomBar() {
  const r = route.value;
  const unread = mailbox("inbox")?.unreadThreads ?? 0;
  const inbox = r.page === "mail" && r.mailbox === "inbox" && !r.search;
  return (
    <nav class="bottombar" aria-label={t("main_places")}>
      <a href="/mail/inbox" aria-current={inbox ? "page" : undefined}>
        <Icon name="inbox" /><span>{t("mailbox_inbox")}</span>{unread > 0 && <span class="dot" aria-label={t("unread_count", { n: unread })}>{unread > 99 ? "99+" : number(unread)}</span>}
      </a>
      <button type="button" aria-current={r.search ? "page" : undefined} onClick={() => document.getElementById("search")?.focus()}><Icon name="search" /><span>{t("search_short")}</span></button>
      <button type="button" class="bottom-write" onClick={() => void compose({})}><Icon name="square-pen" /><span>{t("write")}</span></button>
      <button type="button" aria-expanded={drawer.value} onClick={() => (drawer.value = !drawer.value)}><Icon name="folder" /><span>{t("folders")}</span></button>
      <a href="/settings/" aria-current={r.page === "settings" ? "page" : undefined}><Icon name="settings" /><span>{t("settings")}</span></a>
    </nav>
  );
}
