// The keys of the mail page: those that people know from other webmail. Single letters do nothing while somebody types,
// and can be switched off.

import { effect, signal } from "@preact/signals";
import { say, undoLast } from "../core/actions";
import type { Filter } from "../core/list";
import { inThread, known } from "../core/mail";
import { go, route, visit } from "../core/route";
import { compose, opening, type Compose } from "../compose/open";
import { archive, atHand, chosen, junk, read, remove, rowsOf, star } from "./act";
import { rows } from "./list";
import { later } from "./later";
import { labelMenu, moveMenu } from "./menus";
import { choose, openRow } from "./row";
import { cursor, drawer, list, nothing, selection, keepChoice, stored } from "./state";

/** letters tells whether single letters are shortcuts. */
const letters = signal(stored("letters") !== "off");
effect(() => keepChoice("letters", letters.value ? "on" : "off", "on"));

/** help lists the keys. */
export function help(): void {
  later((part) => part.showKeys(letters));
}

let prefix = "";
let since = 0;

/** onKey is called for every key that nothing else wanted. */
export function onKey(e: KeyboardEvent): void {
  if (route.peek().page !== "mail" || e.defaultPrevented || e.isComposing || document.querySelector("dialog[open], .menu:popover-open")) return;
  if (opening || typing(e.target as Element)) return;
  const name = (e.shiftKey && e.key.length === 1 && /\p{L}/u.test(e.key) ? "Shift+" : "") + (e.key.length === 1 ? e.key.toLowerCase() : e.key);
  if (e.ctrlKey || e.metaKey || e.altKey) {
    if ((e.ctrlKey || e.metaKey) && !e.altKey && !e.shiftKey && e.key.toLowerCase() === "a" && (e.target as Element).closest(".list-pane")) {
      selection.value = { all: true, ids: new Set() };
      e.preventDefault();
    }
    // A dark letter is printed on paper as a light one, for which it is fetched.
    if ((e.ctrlKey || e.metaKey) && !e.altKey && !e.shiftKey && e.key.toLowerCase() === "p" && document.querySelector("iframe[src*='theme=dark']")) {
      e.preventDefault();
      void later((part) => part.printPage());
    }
    return;
  }
  const letter = e.key.length === 1 && e.key !== " ";
  if (letter && !letters.peek() && e.key !== "?") return;
  const sequence = prefix && Date.now() - since < 1500 ? `${prefix} ${name}` : "";
  prefix = "";
  const run = commands[sequence] ?? commands[name];
  if (run) {
    if (run(e) === false) return;
    e.preventDefault();
  } else if (name === "g" || name === "*") {
    prefix = name;
    since = Date.now();
  }
}

const typing = (e: Element): boolean => !!e.closest?.("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable=true], [contenteditable='']");

type Command = (e: KeyboardEvent) => unknown;

/** inList tells whether arrows mean rows: not where they scroll what is read, or walk along buttons. */
const inList = (e: KeyboardEvent): boolean => e.target === document.body || !!(e.target as Element).closest("#list, .list-pane");

/** inMail tells whether a key is meant for mail, and not for a folder or a button that has the focus. */
const inMail = (e: KeyboardEvent): boolean => inList(e) || !!(e.target as Element).closest(".reading-pane");

const commands: Record<string, Command> = {
  "j": () => step(1), "k": () => step(-1),
  "ArrowDown": (e) => (inList(e) ? step(1) : false), "ArrowUp": (e) => (inList(e) ? step(-1) : false),
  "PageDown": (e) => (inList(e) ? step(rows.current?.rows() ?? 10) : false), "PageUp": (e) => (inList(e) ? step(-(rows.current?.rows() ?? 10)) : false),
  "Home": (e) => (inList(e) ? step(-Infinity) : false), "End": (e) => (inList(e) ? step(Infinity) : false),
  "ArrowRight": (e) => along(e, 1), "ArrowLeft": (e) => along(e, -1),
  "o": () => openCursor(), "Enter": (e) => (inList(e) && !(e.target as Element).closest("button, a, input") ? openCursor() : false),
  "u": () => go({ thread: "" }), "Escape": escape,
  "x": () => cursor.peek() && choose(cursor.peek(), false), " ": space,
  "Shift+x": () => cursor.peek() && choose(cursor.peek(), true),
  "s": () => starChosen(), "e": () => archive(), "y": () => archive(), "#": () => remove(), "Delete": (e) => (inMail(e) ? remove() : false), "!": () => junk(),
  "Shift+i": () => read(true), "Shift+u": () => read(false),
  "v": () => moveMenu(place()), "l": () => labelMenu(place()),
  "z": undoLast,
  "r": () => answer("reply"), "a": () => answer("replyAll"), "f": () => answer("forward"), "c": () => compose({}),
  "/": () => document.getElementById("search")?.focus(),
  "n": () => message(1), "p": () => message(-1),
  "?": help,
  "g i": () => visit("inbox"), "g s": () => visit("sent"), "g d": () => visit("drafts"), "g t": () => visit("trash"), "g a": () => visit("archive"), "g j": () => visit("junk"), "g o": () => visit("outbox"),
  "* a": () => (selection.value = { all: true, ids: new Set() }), "* n": () => (selection.value = nothing),
  "* u": () => chooseWhere("$seen", false), "* r": () => chooseWhere("$seen", true), "* s": () => chooseWhere("$flagged", true),
};

/** step moves the cursor; a conversation that is open follows it. */
function step(by: number): void {
  const l = list.peek();
  const total = l?.total.peek() ?? 0;
  if (!l || total === 0) return;
  const open = route.peek().thread;
  const at = l.indexOf(cursor.peek() || (open && rowsOf(open)[0]) || "");
  const from = at >= 0 ? at : Math.ceil(rows.current?.top() ?? 0) - (by > 0 ? 1 : 0);
  const to = Math.max(0, Math.min(total - 1, from + by));
  rows.current?.show(to);
  reach(to, 40);
}

/** reach puts the cursor on a row once it is known. */
function reach(row: number, tries: number): void {
  const id = list.peek()?.at(row);
  if (id === undefined || !known(id)) {
    if (tries > 0) setTimeout(() => reach(row, tries - 1), 25);
    return;
  }
  cursor.value = id;
  const focused = document.activeElement;
  const reading = route.peek().thread !== "";
  if (reading && innerWidth >= 700) openRow(id, true);
  if (!reading || focused === document.body || focused?.closest("#list")) document.querySelector<HTMLElement>(`#list .row[data-id="${CSS.escape(id)}"]`)?.focus({ preventScroll: true });
}

/** message goes to the next message of the conversation that is open, or the one before, and opens it. */
function message(by: 1 | -1): void {
  const all = [...document.querySelectorAll<HTMLElement>(".conversation .message")];
  const focused = document.activeElement?.closest<HTMLElement>(".message");
  const to = all[focused ? all.indexOf(focused) + by : by > 0 ? 0 : all.length - 1];
  if (!to) return;
  to.tabIndex = -1;
  to.querySelector<HTMLElement>("[aria-expanded=false]")?.click();
  setTimeout(() => {
    // A message that was a line until now is another element.
    const now = document.querySelectorAll<HTMLElement>(".conversation .message")[all.indexOf(to)];
    if (!now) return;
    now.tabIndex = -1;
    now.focus({ preventScroll: true });
    now.scrollIntoView({ block: "start" });
  });
}

/** along walks along the cells of a row, as in a grid. */
function along(e: KeyboardEvent, by: 1 | -1): unknown {
  const row = (e.target as Element).closest<HTMLElement>("#list .row");
  if (!row) return false;
  const cells = [row, ...[...row.querySelectorAll<HTMLElement>("input, button")].filter((x) => x.checkVisibility())];
  const to = cells.indexOf(e.target as HTMLElement) + (document.dir === "rtl" ? -by : by);
  cells[to]?.focus();
  return true;
}

function openCursor(): void {
  if (cursor.peek()) openRow(cursor.peek());
}

function space(e: KeyboardEvent): unknown {
  const row = (e.target as Element).closest("#list .row");
  if (!row || row !== e.target || !cursor.peek()) return false;
  choose(cursor.peek(), e.shiftKey);
  return true;
}

function escape(): unknown {
  if (drawer.peek()) drawer.value = false;
  else if (selection.peek() !== nothing) selection.value = nothing;
  else if (route.peek().thread) go({ thread: "" });
  else if (route.peek().search) go({ search: "", where: "", filters: "" });
  else return false;
  return true;
}

function starChosen(): void {
  const rows = chosen();
  void star(!atHand(rows).some((e) => e.keywords.$flagged), rows);
}

function answer(kind: Compose["kind"]): void {
  const open = route.peek().thread;
  const rows = chosen();
  let id = Array.isArray(rows) ? rows[0] : undefined;
  const e = known(id ?? "");
  if (open && e?.keywords.$draft) id = inThread(e.threadId).filter((x) => !x.keywords.$draft).at(-1)?.id; // one answers what came
  if (id) void compose({ kind, emailId: id });
}

/** place is where a menu that a key opened stands. */
function place(): Element {
  return document.querySelector(".row.cursor") ?? document.querySelector(".list-head") ?? document.body;
}

/** chooseWhere chooses all rows of the list that are read or not, or have a star, also those that were never looked at. */
async function chooseWhere(keyword: "$seen" | "$flagged", on: boolean): Promise<void> {
  const l = list.peek();
  if (!l) return;
  // A conversation is read once all of it is, and starred where something in it is.
  const which: Filter = !l.collapse ? { [on ? "hasKeyword" : "notKeyword"]: keyword } : { [keyword === "$seen" ? "allInThreadHaveKeyword" : "someInThreadHaveKeyword"]: keyword };
  const wanted = l.collapse && !on ? { operator: "NOT", conditions: [which] } : which;
  const { sort, collapse, accountId } = l;
  const ids = await later((part) => part.rowIds({ filter: { operator: "AND", conditions: [l.filter, wanted] }, sort, collapse, accountId }).catch(say));
  if (ids && list.peek() === l) selection.value = ids.length ? { all: false, ids: new Set(ids) } : nothing;
}
