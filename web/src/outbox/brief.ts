// How far what was sent is, for the rows of lists: asked for in one request for all rows that are looked at, and again when something
// changes, until it has reached everybody.

import { signal, type Signal } from "@preact/signals";
import { call } from "../core/jmap";
import { onChange, type Email } from "../core/mail";
import { lang, t } from "../core/text";
import type { Told } from "../mail/sent";
import { when, type State, type Why } from "./data";

interface Brief {
  emailId: string;
  state: State;
  recipients: number;
  delivered: number;
  address: string | null;
  nextTry: string | null;
  why: Why | null;
}

/** Known is what is known of an email, null for nothing; asked is when it was asked for, in milliseconds. */
interface Known {
  brief: Signal<Brief | null>;
  asked: number;
  seen: boolean; // somebody looks at it
}

const all = new Map<string, Known>();
const wanted = new Set<string>();

/** remembered bounds what is kept; most is how many are asked for at once, fewer than the server answers at most. */
const remembered = 2000;
const most = 200;

/** fresh is how long it is believed that a message reached everybody, for its next server may say otherwise; pause is between two looks. */
const fresh = 5 * 60e3;
const pause = 1500;

let timer: ReturnType<typeof setTimeout> | undefined;
let last = 0;

function want(id: string, after: number): void {
  wanted.add(id);
  timer ??= setTimeout(ask, after);
}

function ask(): void {
  timer = undefined;
  last = Date.now();
  const ids = [...wanted].slice(0, most);
  for (const id of ids) {
    wanted.delete(id);
    if (all.has(id)) all.get(id)!.asked = last;
  }
  if (wanted.size > 0) timer = setTimeout(ask, 0);
  call<{ list: Brief[] }>("Delivery/brief", { emailIds: ids, lang }).then((answer) => {
    const found = new Map(answer.list.map((b) => [b.emailId, b]));
    for (const id of ids) {
      const k = all.get(id);
      const b = found.get(id) ?? null;
      if (k && JSON.stringify(k.brief.peek()) !== JSON.stringify(b)) k.brief.value = b;
    }
  }, () => {}); // the next change asks again
}

onChange(() => {
  for (const [id, k] of all) if (k.seen && k.brief.peek()?.state !== "delivered") want(id, Math.max(50, last + pause - Date.now()));
});

function known(id: string): Known {
  let k = all.get(id);
  if (!k) {
    const made: Known = { asked: 0, seen: false, brief: signal<Brief | null>(null, { watched: () => (made.seen = true), unwatched: () => (made.seen = false) }) };
    all.set(id, (k = made));
    for (const [old, o] of all) {
      if (all.size <= remembered) break;
      if (!o.seen && old !== id) all.delete(old);
    }
  }
  return k;
}

/** weight are the states, that of which there is most to say first. */
const weight: State[] = ["bounced", "held", "delayed", "scheduled", "sending", "waiting", "delivered", "cancelled"];

/** told says how far what was sent of a conversation is; undefined while that is not known, or if it was not sent from here. */
export function told(emails: Email[]): Told | undefined {
  let worst: Brief | undefined;
  for (const e of emails) {
    const k = known(e.id);
    if (Date.now() - k.asked > fresh) want(e.id, 0);
    const b = k.brief.value;
    if (b && (!worst || weight.indexOf(b.state) < weight.indexOf(worst.state))) worst = b;
  }
  if (!worst) return undefined;
  const one = worst.recipients === 1; // whom the row names
  const who = worst.address ?? "";
  const why = worst.why?.title.replace(/\.$/, "") ?? "";
  const some = worst.delivered > 0 ? ` ${t("delivery_some", { n: worst.delivered, all: worst.recipients })}.` : "";
  switch (worst.state) {
    case "delivered":
      return { icon: "circle-check", name: worst.recipients > 1 ? t("delivery_all", { n: worst.recipients }) : t("delivered") };
    case "bounced":
      return trouble("circle-alert", `${one ? t("not_delivered") : t("bounce_title", { who })}${why && `: ${why}`}.${some}`, true);
    case "held":
      return trouble("pause", `${t("state_held")}${one ? "" : `, ${who}`}${why && `: ${why}`}.${some}`);
    case "delayed":
      if (worst.nextTry && worst.why?.cause.startsWith("limit.")) return trouble("clock", `${t("state_scheduled", { time: when(worst.nextTry) })}: ${why}.`);
      return trouble("refresh-cw", `${one ? t("state_waiting") : t("brief_waits", { who })}${why && `: ${why}`}.${worst.nextTry && Date.parse(worst.nextTry) > Date.now() ? ` ${t("state_delayed", { time: when(worst.nextTry) })}.` : ""}${some}`);
    case "scheduled":
      return { icon: "clock", name: worst.nextTry ? t("state_scheduled", { time: when(worst.nextTry) }) : t("state_waiting") };
  }
  return { icon: "send", name: t("brief_way") };
}

const trouble = (icon: string, name: string, bad = false): Told => ({ icon, name, said: name, bad });
