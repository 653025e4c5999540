// Whether what was sent has come: known to a part that is loaded when a sent message is listed.

import { signal } from "@preact/signals";
import { load } from "../core/load";
import { mailbox, type Email } from "../core/mail";
import { found, here } from "./state";

/** Told is how far what was sent is: a picture with its name, and what a row says instead of the beginning of the text. */
export interface Told {
  icon: string;
  name: string;
  said?: string;
  bad?: boolean; // somebody must see to it
}

const part = signal<((emails: Email[]) => Told | undefined) | undefined>(undefined);
let asked = false;

/** sentOf are the emails of a row that were sent, where that matters: in Sent, and of what was found. */
export function sentOf(emails: Email[]): Email[] {
  const box = mailbox("sent")?.id;
  return box && (here.value?.id === box || found.value) ? emails.filter((e) => e.mailboxIds[box] && !e.keywords.$draft) : [];
}

/** told says how far they are, as soon as that is known. */
export function told(emails: Email[]): Told | undefined {
  if (part.value) return part.value(emails);
  if (!asked) {
    asked = true;
    load<typeof import("../outbox/main")>("outbox").then((p) => (part.value = p.told), () => (asked = false));
  }
  return undefined;
}
