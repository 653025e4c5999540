// What people type into the search field, as a filter of JMAP (RFC 8621 section 4.4.1): words, "phrases" and operators
// such as from:anna, in any of the three languages.

import type { Filter } from "../core/list";
import { mailboxes, type Mailbox } from "../core/mail";

/** filterOf reads a search; mailbox is the one that is shown, which in:here means. */
export function filterOf(search: string, _here?: Mailbox): Filter {
  const conditions: Filter[] = [];
  for (const [, operator, quoted, word] of search.matchAll(/(?:(\p{L}+):)?(?:"([^"]*)"?|(\S+))/gu)) {
    conditions.push(condition(operator?.toLowerCase(), quoted ?? word ?? ""));
  }
  const hidden = mailboxes.value.filter((m) => m.role === "trash" || m.role === "junk").map((m) => m.id);
  if (!conditions.some((c) => "inMailbox" in c)) conditions.push({ inMailboxOtherThan: hidden });
  return conditions.length === 1 ? conditions[0]! : { operator: "AND", conditions };
}

function condition(operator: string | undefined, value: string): Filter {
  switch (operator) {
    case "from": case "från": case "fra":
      return { from: value };
    case "to": case "till": case "til":
      return { to: value };
    case "subject": case "ämne": case "emne":
      return { subject: value };
    case undefined:
      return { text: value };
    default:
      return { text: `${operator}:${value}` };
  }
}
