// What the server wrote into the page, so that nothing need be fetched before the first rows are shown.

import type { Invocation } from "./jmap";

export interface First {
  account: { id: string; address: string; name: string };
  csrf: string;
  lang: "sv" | "nb" | "en";
  version: string; // of these scripts
  base: string; // where they lie: /ui/VERSION/
  origin: string; // host name of the service
  maxSize: number; // octets of a message
  undo: number; // seconds a sent message can be taken back
  responses?: Invocation[]; // of Mailbox/get, Email/query, Email/get of the inbox
}

const element = document.getElementById("first");

export const first: First = JSON.parse(element?.textContent ?? "null");
