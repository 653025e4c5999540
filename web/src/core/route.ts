// Where in the program somebody is. It is the address in the browser, so that back, forward, reload and bookmarks work.
//
//	/mail/{mailbox}            a list; {mailbox} is a role ("inbox") or an id ("F12")
//	/mail/{mailbox}/{thread}   the same with a conversation open
//	/settings/{page}
//
// A list may have ?q= what is searched for, &w=here in this mailbox alone, &f=unread,starred filters, &s=oldest its order.

import { signal } from "@preact/signals";
import { whenTold } from "./first";

interface Route {
  page: "mail" | "settings";
  mailbox: string;
  thread: string;
  search: string;
  where: "" | "here"; // what is searched: all mail, or this mailbox
  filters: string; // names with commas between
  order: string;
  section: string; // of the settings
}

const plainList = { search: "", where: "", filters: "", order: "" } as const;

export function parse(url: URL): Route {
  const [, page, a = "", b = ""] = url.pathname.split("/").map(decoded);
  if (page === "settings") return { page, mailbox: "inbox", thread: "", ...plainList, section: a };
  const q = url.searchParams;
  return {
    page: "mail", mailbox: a || "inbox", thread: b, section: "",
    search: q.get("q") ?? "", where: q.get("w") === "here" ? "here" : "", filters: q.get("f") ?? "", order: q.get("s") ?? "",
  };
}

function decoded(s: string): string {
  try {
    return decodeURIComponent(s);
  } catch {
    return s; // a lone %
  }
}

export function address(r: Route): string {
  if (r.page === "settings") return `/settings/${encodeURIComponent(r.section)}`;
  const path = ["/mail", r.mailbox, ...(r.thread ? [r.thread] : [])].map((s, i) => (i ? encodeURIComponent(s) : s)).join("/");
  const q = [["q", r.search], ["w", r.search && r.where], ["f", r.filters], ["s", r.order]].filter(([, v]) => v);
  return path + (q.length ? "?" + q.map(([k, v]) => `${k}=${encodeURIComponent(v!)}`).join("&") : "");
}

export const route = signal<Route>(parse(new URL(location.href)));
whenTold(() => (route.value = parse(new URL(location.href))));

addEventListener("popstate", () => {
  if (layers.length > 0 && history.state?.layer !== layers.length) return layers.pop()!();
  route.value = parse(new URL(location.href));
});

/** go changes where somebody is; replace leaves no step to go back to. */
export function go(change: Partial<Route>, replace = false): void {
  const to = { ...route.peek(), ...change };
  const url = address(to);
  const covered = history.state?.layer > 0;
  while (layers.length > 0) layers.pop()!();
  if (url === location.pathname + location.search && !covered) return;
  if (replace || covered) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  route.value = to;
}

/** visit opens a mailbox, or another list, as it is without searching. */
export function visit(mailbox: string): void {
  go({ page: "mail", mailbox, thread: "", ...plainList });
}

/** narrow tells whether the screen shows one thing at a time. */
export const narrow = (): boolean => innerWidth <= 700; // as the style sheets have it

const layers: (() => void)[] = [];

/**
 * onBack is for what lies above a page on a narrow screen: going back closes it first. What it answers is to be called
 * when it was closed otherwise.
 */
export function onBack(close: () => void): () => void {
  if (!narrow()) return () => {};
  layers.push(close);
  const mine = layers.length;
  history.pushState({ layer: mine }, "");
  return () => {
    const at = layers.indexOf(close);
    if (at < 0) return;
    layers.splice(at, 1);
    // Later, for whoever closes it may go somewhere right away, which then takes its step.
    setTimeout(() => history.state?.layer === mine && history.back());
  };
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
