// What is worth a look before a message goes: each in one sentence, with what mends it.

import type { Signal } from "@preact/signals";
import { t } from "../core/text";
import { domainOf, meant, type Chip } from "./addresses";
import { fragment, plain } from "./html";
import type { Draft } from "./model";
import { domains } from "./suggest";

/** Hint is one thing. */
export interface Hint {
  key: string;
  text: string;
  action?: string;
  run?: () => void;
  /** stops says that the message cannot go before this is mended; asks, that it is said before it goes. */
  weight: "stops" | "asks" | "tells";
}

/** many is how many addressees are worth saying. */
const many = 20;

const promises = /(?<!\p{L})(?:attach(?:ed|ing|ments?)?|enclos(?:ed?|ing|ures?)|bifoga(?:[rst]|de?|nde)?|bilag(?:an?|or(?:na)?|da?|t)|vedla(?:gte?)?|vedlegg(?:et|ene|er)?|legge[rs]? ved|lagt ved)(?!\p{L})/iu;

/** hintsOf are those of a draft; attach and subject are what somebody can do about them. */
export function hintsOf(d: Draft, does: { attach: () => void; subject: () => void; onlySender?: () => void }): Hint[] {
  const fields: Signal<Chip[]>[] = [d.to, d.cc, d.bcc];
  const hints: Hint[] = [];
  const all = fields.flatMap((f) => f.value);
  for (const c of all.filter((x) => x.bad)) {
    hints.push({ key: `bad ${c.email}`, weight: "stops", text: t("hint_bad", { text: c.email }) });
  }
  for (const field of fields) {
    for (const c of field.value.filter((x) => !x.bad)) {
      const domain = domainOf(c.email);
      const right = meant(domain, domains);
      if (!right) continue;
      hints.push({
        key: `domain ${c.email}`, weight: "asks", text: t("hint_domain", { domain, right }), action: t("hint_domain_change", { right }),
        run: () => (field.value = field.peek().map((x) => (x === c ? { ...c, email: c.email.slice(0, c.email.lastIndexOf("@") + 1) + right } : x))),
      });
    }
  }
  const seen = d.to.value.length + d.cc.value.length;
  if (seen > many) {
    hints.push(d.answering && does.onlySender
      ? { key: "many", weight: "tells", text: t("hint_reply_all", { n: seen }), action: t("hint_only_sender"), run: does.onlySender }
      : {
        key: "many", weight: "tells", text: t("hint_many", { n: seen }), action: t("hint_to_bcc"), run: () => {
          d.bcc.value = [...d.bcc.peek(), ...d.to.peek(), ...d.cc.peek()];
          d.to.value = d.cc.value = [];
        },
      });
  }
  return hints;
}

/** lastHints are those that want to be asked about only once the message is to go. */
export function lastHints(d: Draft, does: { attach: () => void; subject: () => void }): Hint[] {
  const hints: Hint[] = [];
  d.read();
  const text = d.rich.peek() ? plain(fragment(d.html)) : d.text;
  const own = `${d.answering ? "" : d.subject.peek()}\n${text.replace(/^>.*$/gm, "").split(/^-- $/m)[0]}`; // the subject of an answer is another's
  const word = promises.exec(own)?.[0];
  if (word && !d.files.peek().some((a) => !a.cid)) {
    hints.push({ key: "attachment", weight: "asks", text: t("hint_attachment", { word }), action: t("attach"), run: does.attach });
  }
  if (!d.subject.peek().trim()) hints.push({ key: "subject", weight: "asks", text: t("hint_subject"), action: t("hint_subject_write"), run: does.subject });
  return hints;
}
