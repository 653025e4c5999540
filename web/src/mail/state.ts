// What the parts of the mail page share: which list is shown, which rows are chosen, which one the keys act on.

import { computed, effect, signal } from "@preact/signals";
import { first } from "../core/first";
import { List, type Filter } from "../core/list";
import { mailbox, mailboxes } from "../core/mail";
import { route } from "../core/route";
import { filterOf } from "./search";

/** drawer tells whether the folders are shown on a narrow screen. */
export const drawer = signal(false);

/** selected are the ids of the rows that are chosen. */
export const selected = signal<ReadonlySet<string>>(new Set());

/** cursor is the id of the row that the keys act on. */
export const cursor = signal("");

/** here is the mailbox that is shown; undefined while it is not known, and where the whole account is searched. */
export const here = computed(() => mailbox(route.value.mailbox));

const query = computed(() => {
  const r = route.value;
  if (r.search) return JSON.stringify(filterOf(r.search, here.value));
  return here.value ? JSON.stringify({ inMailbox: here.value.id }) : "";
});

/** list is what is shown. */
export const list = signal<List | undefined>(undefined);

let begun = false;
effect(() => {
  const q = query.value;
  list.peek()?.close();
  selected.value = new Set();
  cursor.value = "";
  if (!q) {
    list.value = undefined;
    return;
  }
  const filter: Filter = JSON.parse(q);
  const searching = !("inMailbox" in filter) || Object.keys(filter).length > 1;
  const l = new List(filter, undefined, !searching);
  if (!begun && first.responses && filter.inMailbox === mailboxes.peek().find((m) => m.role === "inbox")?.id && !searching) l.begin(first.responses);
  begun = true;
  list.value = l;
});
