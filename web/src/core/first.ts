// What the server wrote into the page, so that nothing need be fetched before the first rows are shown.

import { batch } from "@preact/signals";
import type { Invocation } from "./jmap";
import type { Alerts } from "./alerts";
import type { Label } from "./labels";

/** Account is one whose mail can be seen: the own one, or one that shares mailboxes with it. */
export interface Account {
  id: string;
  address: string;
  name: string;
}

export interface First {
  account: Account;
  sharers: Account[]; // those that share mailboxes with it
  csrf: string;
  lang: "sv" | "nb" | "en";
  version: string; // of these scripts
  base: string; // where they lie: /ui/VERSION/
  origin: string; // host name of the service
  maxSize: number; // octets of a message
  undo: number; // seconds a sent message can be taken back
  labels?: Label[] | null; // of the account
  alerts?: Alerts | null;
  responses?: Invocation[]; // of Mailbox/get, Email/query, Email/get of the inbox
}

/** written is what stands in the page, if it does already. */
export const written = (): First | undefined => JSON.parse(document.getElementById("first")?.textContent ?? "null") ?? undefined;

/** first is there before anything is drawn. In the page for signing in it is not while somebody types. */
export let first: First = written()!;

const waiting: (() => void)[] = [];

/** whenTold does what depends on first now, and again when first is another: what was kept of another is to be forgotten. */
export function whenTold(work: () => void): void {
  waiting.push(work);
  work();
}

/** tell says what first is; undefined that it is not known. */
export function tell(f: First | undefined): void {
  first = f!;
  batch(() => waiting.forEach((work) => work()));
}

/** takeOver empties the page for signing in, which becomes this one where scripts run (internal/web/assets/signin.js). */
export function takeOver(): HTMLElement {
  const root = Object.assign(document.createElement("div"), { id: "app" });
  document.body.replaceChildren(root); // first, so that what goes is not styled anew
  const style = document.getElementById("program-style") as HTMLLinkElement;
  document.head.querySelectorAll<HTMLLinkElement>("link[rel=stylesheet]").forEach((l) => l === style || l.remove());
  style.media = "all";
  document.head.append(Object.assign(document.createElement("link"), { rel: "manifest", href: "/manifest.webmanifest" }));
  document.querySelector<HTMLMetaElement>("meta[name=viewport]")!.content = "width=device-width, initial-scale=1, viewport-fit=cover";
  document.documentElement.lang = first.lang;
  return root;
}
