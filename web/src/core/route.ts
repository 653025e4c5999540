// Where in the program somebody is. It is the address in the browser, so that back, forward, reload and bookmarks work.
//
//	/mail/{mailbox}            a list; {mailbox} is a role ("inbox") or an id ("F12"); ?q= what is searched for
//	/mail/{mailbox}/{thread}   the same with a conversation open
//	/settings/{page}

import { signal } from "@preact/signals";

export interface Route {
  page: "mail" | "settings";
  mailbox: string;
  thread: string;
  search: string;
  section: string; // of the settings
}

export function parse(url: URL): Route {
  const [, page, a = "", b = ""] = url.pathname.split("/").map(decodeURIComponent);
  return page === "settings"
    ? { page, mailbox: "inbox", thread: "", search: "", section: a }
    : { page: "mail", mailbox: a || "inbox", thread: b, search: url.searchParams.get("q") ?? "", section: "" };
}

export function address(r: Route): string {
  if (r.page === "settings") return `/settings/${encodeURIComponent(r.section)}`;
  const path = ["/mail", r.mailbox, ...(r.thread ? [r.thread] : [])].map((s, i) => (i ? encodeURIComponent(s) : s)).join("/");
  return path + (r.search ? `?q=${encodeURIComponent(r.search)}` : "");
}

export const route = signal<Route>(parse(new URL(location.href)));
addEventListener("popstate", () => (route.value = parse(new URL(location.href))));

/** go changes where somebody is; replace leaves no step to go back to. */
export function go(change: Partial<Route>, replace = false): void {
  const to = { ...route.value, ...change };
  const url = address(to);
  if (url === location.pathname + location.search) return;
  if (replace) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  route.value = to;
}

/** follow makes a link of the program change the route instead of loading a page. */
export function follow(e: MouseEvent): void {
  const link = (e.target as Element).closest?.("a[href]") as HTMLAnchorElement | null;
  if (!link || e.defaultPrevented || e.button || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey || link.target || link.hasAttribute("download")) return;
  const url = new URL(link.href);
  if (url.origin !== location.origin || !/^\/(mail|settings)(\/|$)/.test(url.pathname)) return;
  e.preventDefault();
  go(parse(url));
}
