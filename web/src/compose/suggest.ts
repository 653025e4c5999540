// Who one writes to: people written to before, and contacts, proposed while a name is typed.

import { api } from "../core/jmap";
import type { Address } from "../core/mail";
import { domainOf } from "./addresses";

/** Person is somebody who is proposed. */
export interface Person extends Address {
  /** recent says that it is somebody written to before. */
  recent: boolean;
  /** why says of a contact that there is no such address, as far as one knows. */
  why?: string;
}

/** domains are those that somebody writes to, as far as it is known here. */
export const domains = new Set<string>();

/** suggest finds people whose name or address has what was typed. */
export async function suggest(text: string): Promise<Person[]> {
  const answer = await api<{ list: { name?: string; address: string; recent?: boolean; contact?: string; why?: string }[] }>("GET", `/api/contacts/suggest?q=${encodeURIComponent(text)}`);
  const list = answer.list.map((p) => ({ name: p.name || null, email: p.address, recent: !!p.recent, why: p.why }));
  for (const p of list) domains.add(domainOf(p.email));
  return list;
}

/** suggestNoMore takes somebody out of those written to before. */
export const suggestNoMore = (email: string): Promise<void> => api("DELETE", `/api/contacts/recent?address=${encodeURIComponent(email)}`);
