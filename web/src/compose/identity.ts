// Who somebody may write as (RFC 8621 section 6): addresses with names and signatures.

import { signal } from "@preact/signals";
import { first } from "../core/first";
import { call, use } from "../core/jmap";
import type { Address } from "../core/mail";

export interface Identity {
  id: string;
  name: string;
  email: string; // "*@example.org" for any address of a domain
  replyTo: Address[] | null;
  bcc: Address[] | null;
  textSignature: string;
  htmlSignature: string;
  mayDelete: boolean;
}

use("urn:ietf:params:jmap:submission");

/** identities are those that may send, the first of which is used where nothing speaks for another. */
export const identities = signal<Identity[]>([]);

/** fresh is how long they are not asked for again, in milliseconds. */
const fresh = 10e3;

let asked: Promise<void> | undefined;
let at = 0;

/** needIdentities asks for them; without a line those that are known do. */
export function needIdentities(): Promise<void> {
  if (asked && Date.now() - at < fresh) return asked;
  at = Date.now();
  return (asked = call("Identity/get", { ids: null }).then(
    (answer) => {
      const own = (i: Identity) => (i.email.toLowerCase() === first.account.address.toLowerCase() ? 0 : 1);
      identities.value = [...(answer.list as Identity[])].sort((a, b) => own(a) - own(b));
    },
    (error) => {
      asked = undefined;
      if (!identities.peek().length) throw error;
    },
  ));
}

/** identityFor is the identity that an email came to, or else the first. */
export function identityFor(addresses: Address[]): Identity | undefined {
  const all = identities.peek();
  for (const a of addresses) {
    const found = all.find((i) => same(i.email, a.email)) ?? all.find((i) => i.email.startsWith("*@") && a.email.toLowerCase().endsWith(i.email.slice(1).toLowerCase()));
    if (found) return found;
  }
  return all[0];
}

/** isMine tells whether an address is one's own. */
export function isMine(email: string): boolean {
  return same(first.account.address, email) || identities.peek().some((i) => same(i.email, email));
}

/** same compares addresses; a subaddress (anna+news@) leads to the same person. */
function same(a: string, b: string): boolean {
  const bare = (s: string) => s.toLowerCase().replace(/\+[^@]*@/, "@");
  return a.toLowerCase() === b.toLowerCase() || bare(a) === bare(b);
}
