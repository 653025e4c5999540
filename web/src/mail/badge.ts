// How much is unread, in the title of the page, on its picture and on that of the installed program, as the account wants it.

import { effect } from "@preact/signals";
import { alerts, counts } from "../core/alerts";
import { mailboxes, shared } from "../core/mail";
import { route } from "../core/route";
import { t } from "../core/text";
import { nameOf } from "./names";
import { here, searching } from "./state";

/** badge keeps them true. */
export function badge(): () => void {
  const link = document.querySelector<HTMLLinkElement>("link[rel=icon]");
  const plain = link?.href;
  let shown = "";
  return effect(() => {
    const how = alerts.value.badge;
    const n = how === "none" ? 0 : [...mailboxes.value, ...shared.value].reduce((sum, m) => sum + (counts(m) ? m.unreadThreads : 0), 0);
    const mark = n === 0 ? "" : how === "dot" ? "•" : String(n);
    const at = route.value.mailbox === "contacts" ? t("contacts") : searching.value ? t("found") : here.value ? nameOf(here.value) : "";
    if (route.value.page === "mail") document.title = `${mark && `(${mark}) `}${at ? `${at} – ` : ""}Postiljon`;
    if (mark === shown) return;
    shown = mark;
    if (link) link.href = mark ? picture(mark) : plain!;
    const app = navigator as { setAppBadge?: (n?: number) => Promise<void>; clearAppBadge?: () => Promise<void> };
    (!n ? app.clearAppBadge?.() : how === "dot" ? app.setAppBadge?.() : app.setAppBadge?.(n))?.catch(() => {}); // not installed
  });
}

function picture(mark: string): string {
  const text = mark.length > 2 ? "99+" : mark;
  return "data:image/svg+xml," + encodeURIComponent(
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect x="4" y="12" width="56" height="42" rx="6" fill="#1f4f8f"/><path d="m8 18 24 19 24-19" fill="none" stroke="#fff" stroke-width="5" stroke-linecap="round"/>` +
      `<circle cx="44" cy="44" r="20" fill="#f6b73c"/><text x="44" y="52" text-anchor="middle" font-family="sans-serif" font-weight="700" font-size="${text.length > 2 ? 18 : 24}" fill="#1d2430">${text}</text></svg>`,
  );
}
