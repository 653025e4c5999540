// What the parts of the mail page share: which list is shown, which rows are chosen, which one the keys act on.

import { computed, effect, signal, untracked } from "@preact/signals";
import { first, whenTold } from "../core/first";
import { accountOf } from "../core/jmap";
import { List, newestFirst, pageSize, type Filter, type Sort } from "../core/list";
import { mailbox, mailboxes, type Email } from "../core/mail";
import { route } from "../core/route";
import { filterOf, parseSearch } from "./search";
import { wantSnippets } from "./snippets";

/** drawer tells whether the folders are shown on a narrow screen. */
export const drawer = signal(false);

/** Selection are rows that are chosen: those in ids, or with all every row of the list but those in ids. */
interface Selection {
  all: boolean;
  ids: ReadonlySet<string>;
}

export const nothing: Selection = { all: false, ids: new Set() };

/** selection are the rows that are chosen, by the ids of their emails. */
export const selection = signal<Selection>(nothing);

export const isSelected = (id: string): boolean => selection.value.ids.has(id) !== selection.value.all;

/** selectedCount is how many rows are chosen. */
export const selectedCount = computed(() => {
  const s = selection.value;
  return s.all ? (list.value?.total.value ?? 0) - s.ids.size : s.ids.size;
});

/** cursor is the id of the row that the keys act on. */
export const cursor = signal("");

/** here is the mailbox that is shown, or was before somebody searched; undefined while it is not known. */
export const here = computed(() => mailbox(route.value.mailbox));

const needed = { file: "", remove: "mayRemoveItems", flag: "maySetKeywords", read: "maySetSeen" };

/**
 * can tells what may be done with what is listed: in what another shares as far as the rights go, and nothing that means places
 * of one's own, such as the archive.
 */
export const can = (what: keyof typeof needed): boolean => (what === "file" ? !here.value?.sharer : here.value?.myRights[needed[what]] !== false);

/** searching tells whether single messages are listed that were searched for. */
export const searching = computed(() => route.value.search !== "");

/** present are the emails of a conversation but for those in the trash, where there are others and it is not the trash that is shown. */
export function present(emails: Email[]): Email[] {
  const trash = mailbox("trash")?.id;
  if (!trash || here.value?.id === trash) return emails;
  const rest = emails.filter((e) => !e.mailboxIds[trash] || Object.keys(e.mailboxIds).length > 1 || (searching.value && !e.keywords.$draft));
  return rest.length ? rest : emails;
}

/** filters narrow a list, by their names in the address. */
export const filters: Record<string, () => Filter> = {
  unread: () => ({ notKeyword: "$seen" }),
  starred: () => ({ hasKeyword: "$flagged" }),
  attachment: () => ({ hasAttachment: true }),
  tome: () => ({ to: first.account.address }),
};

/** orders are how a list can be sorted, by their names in the address; the first is the usual one. */
export const orders: Record<string, Sort[]> = {
  newest: newestFirst,
  oldest: [{ property: "receivedAt", isAscending: true }],
  unread: [{ property: "hasKeyword", keyword: "$seen", isAscending: true }, ...newestFirst],
  starred: [{ property: "hasKeyword", keyword: "$flagged", isAscending: false }, ...newestFirst],
  largest: [{ property: "size", isAscending: false }, ...newestFirst],
  sender: [{ property: "from", isAscending: true }, ...newestFirst],
  subject: [{ property: "subject", isAscending: true }, ...newestFirst],
};

/** activeFilters are the names of the filters that are on. */
export const activeFilters = computed(() => route.value.filters.split(",").filter((f) => f in filters));

/** listed is what the list must have: the mailbox or what is searched for, and the filters. */
const listed = computed((): Filter | undefined => {
  const r = route.value;
  const conditions: Filter[] = [];
  if (r.search) conditions.push(filterOf(parseSearch(r.search), r.where === "here" ? here.value : undefined));
  else if (here.value && here.value.role !== "outbox") conditions.push({ inMailbox: here.value.id });
  else return undefined; // the outbox is a page of its own
  for (const f of activeFilters.value) conditions.push(filters[f]!());
  return conditions.length === 1 ? conditions[0] : { operator: "AND", conditions };
});

interface Query {
  filter: Filter;
  sort: Sort[];
  collapse: boolean;
  counted: boolean;
  account: string;
}

const query = computed(() => {
  const filter = listed.value;
  const q: Query | undefined = filter && { filter, sort: orders[route.value.order] ?? newestFirst, collapse: !searching.value, counted: !searching.value && !activeFilters.value.includes("tome"), account: accountOf(here.value?.id) };
  return q ? JSON.stringify(q) : "";
});

/** list is what is shown. */
export const list = signal<List | undefined>(undefined);

/** found tells whether what is listed was searched for; searching is so before that is there. */
export const found = computed(() => list.value?.collapse === false);

/** coming tells that another list is on its way and will take the place of the one that is shown. */
export const coming = signal(false);

/** lists are those shown of late: going back to one shows it as it was left. */
const lists = new Map<string, List>();
const mostLists = 6;

function listOf(q: string): List {
  let l = lists.get(q);
  if (!l) {
    const { filter, sort, collapse, counted, account }: Query = JSON.parse(q);
    const made = (l = new List(filter, sort, collapse, counted, account));
    if (!collapse) l.described = (ids) => wantSnippets(made, ids);
    const inbox = mailboxes.peek().find((m) => m.role === "inbox")?.id;
    if (first.responses && collapse && filter.inMailbox === inbox && sort.length === 1 && !sort[0]!.isAscending) l.begin(first.responses);
    delete first.responses; // only what is shown first is still true
  }
  lists.delete(q);
  lists.set(q, l);
  for (const [key, old] of lists) {
    if (lists.size <= mostLists) break;
    if (old === list.peek() || old === l) continue;
    old.close();
    lists.delete(key);
  }
  return l;
}

whenTold(() => {
  if (first) return;
  lists.forEach((l) => l.close());
  lists.clear();
});

let wanted: List | undefined;
let place = ""; // the mailbox that is shown

effect(() => {
  const q = query.value;
  return untracked(() => {
    const before = list.peek();
    wanted = q ? listOf(q) : undefined;
    const l = wanted;
    l?.wake();
    if (l?.total.peek() === undefined) l?.need(0, pageSize);
    // What was found for the letters typed so far stays until more is known; another mailbox is shown at once.
    const stay = before && l && l !== before && l.total.peek() === undefined && (searching.peek() || place === route.peek().mailbox);
    place = route.peek().mailbox;
    if (!stay) {
      show(l);
      return;
    }
    coming.value = true;
    const stop = effect(() => {
      if (l.total.value !== undefined || l.failed.value !== undefined) show(l);
    });
    return () => {
      stop();
      if (list.peek() !== l) l.sleep();
    };
  });
});

function show(l: List | undefined): void {
  untracked(() => {
    const before = list.peek();
    coming.value = false;
    if (before === l) return;
    before?.sleep();
    selection.value = nothing;
    cursor.value = "";
    list.value = l;
    if (l) l.gone = follow;
  });
}

/** follow lets what is chosen and the cursor follow a row that went, as another message of its conversation stands there now, or none. */
function follow(id: string, now: string | undefined, place: string | undefined): void {
  if (cursor.peek() === id) cursor.value = now ?? place ?? "";
  const { all, ids } = selection.peek();
  if (!ids.has(id)) return;
  const left = new Set(ids);
  left.delete(id);
  if (now) left.add(now);
  selection.value = all || left.size > 0 ? { all, ids: left } : nothing;
}

// Where only unread mail is listed, what is being read stays until something else is opened.
effect(() => {
  const l = list.value;
  if (!l || !route.value.thread || !activeFilters.value.includes("unread")) return;
  l.hold();
  return () => l.release();
});

/** density is how tall rows are; it is kept in this browser. */
export const density = signal<"roomy" | "compact">(stored("density") === "compact" ? "compact" : "roomy");
effect(() => keepChoice("density", density.value, "roomy"));

/** stored and store are what this browser keeps of how somebody likes it; without them nothing is lost but that. */
export function stored(key: string): string | null {
  try {
    return localStorage.getItem(`postiljon.${key}`);
  } catch {
    return null;
  }
}

/** keepChoice keeps what somebody chose; what is usual is not written before it was chosen. */
export function keepChoice(key: string, value: string, usual: string): void {
  if ((stored(key) ?? usual) !== value) store(key, value);
}

export function store(key: string, value: string): void {
  try {
    localStorage.setItem(`postiljon.${key}`, value);
  } catch {
    // private windows of some browsers keep nothing
  }
}
