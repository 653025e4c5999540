// How much is unread, and where one is, in the title of the page.

import { effect } from "@preact/signals";
import { unreadMark } from "../core/alerts";
import { route } from "../core/route";
import { t } from "../core/text";
import { nameOf } from "./names";
import { here, searching } from "./state";

/** title keeps it true; that of the settings is theirs. */
export function title(): () => void {
  return effect(() => {
    const r = route.value;
    const at = r.mailbox === "contacts" ? t("contacts") : searching.value ? t("found") : here.value ? nameOf(here.value) : "";
    if (r.page === "mail") document.title = `${unreadMark.value && `(${unreadMark.value}) `}${at ? `${at} – ` : ""}Postiljon`;
  });
}
