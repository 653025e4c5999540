// How much is unread, on the picture of the page and on that of the installed program, as the account wants it.

import { effect } from "@preact/signals";
import { alerts, unreadMark } from "../core/alerts";

/** badge keeps it true. */
export function badge(): void {
  const link = document.querySelector<HTMLLinkElement>("link[rel=icon]");
  const plain = link?.href;
  const app = navigator as { setAppBadge?: (n?: number) => Promise<void>; clearAppBadge?: () => Promise<void> };
  effect(() => {
    const mark = unreadMark.value;
    if (link) link.href = mark ? picture(mark) : plain!;
    (!mark ? app.clearAppBadge?.() : alerts.peek().badge === "dot" ? app.setAppBadge?.() : app.setAppBadge?.(Number(mark)))?.catch(() => {}); // not installed
  });
}

function picture(mark: string): string {
  const text = mark.length > 2 ? "99+" : mark;
  return "data:image/svg+xml," + encodeURIComponent(
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect x="4" y="12" width="56" height="42" rx="6" fill="#1f4f8f"/><path d="m8 18 24 19 24-19" fill="none" stroke="#fff" stroke-width="5" stroke-linecap="round"/>` +
      `<circle cx="44" cy="44" r="20" fill="#f6b73c"/><text x="44" y="52" text-anchor="middle" font-family="sans-serif" font-weight="700" font-size="${text.length > 2 ? 18 : 24}" fill="#1d2430">${text}</text></svg>`,
  );
}
