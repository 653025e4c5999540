// What people type is understood in each of the three languages, and what is not understood is a word.

import assert from "node:assert/strict";
import { test } from "node:test";
import { mailboxes, type Mailbox } from "../core/mail";
import { days, filterOf, parseSearch } from "./search";

const box = (id: string, name: string, role: string | null): Mailbox => ({
  id, name, role, parentId: null, sortOrder: 0, totalEmails: 0, unreadEmails: 0, totalThreads: 0, unreadThreads: 0, isSubscribed: true, myRights: {},
});
mailboxes.value = [box("F1", "INBOX", "inbox"), box("F2", "Archive", "archive"), box("F3", "Junk", "junk"), box("F4", "Trash", "trash"), box("F5", "Årets resor", null)];

/** found is the filter of a search, without what hides junk and trash. */
const found = (search: string) => {
  const f = filterOf(parseSearch(search)) as any;
  const conditions = (f.operator === "AND" ? f.conditions : [f]).filter((c: any) => !c.inMailboxOtherThan);
  return conditions.length === 1 ? conditions[0] : conditions;
};

test("operators in three languages", () => {
  for (const [search, filter] of [
    ["from:anna", { from: "anna" }], ["från:anna", { from: "anna" }], ["Fra:anna", { from: "anna" }], ["fran:anna", { from: "anna" }],
    ["till:bo", { to: "bo" }], ["ämne:\"två ord\"", { subject: "två ord" }], ["emne:x", { subject: "x" }],
    ["has:attachment", { hasAttachment: true }], ["har:bilaga", { hasAttachment: true }], ["har:vedlegg", { hasAttachment: true }],
    ["is:unread", { notKeyword: "$seen" }], ["är:oläst", { notKeyword: "$seen" }], ["er:ulest", { notKeyword: "$seen" }], ["är:stjärnmärkt", { hasKeyword: "$flagged" }],
    ["larger:5M", { minSize: 5e6 }], ["större:1,5GB", { minSize: 1.5e9 }], ["mindre:300k", { maxSize: 3e5 }],
    ["in:arkiv", { inMailbox: "F2" }], ["i:\"årets resor\"", { inMailbox: "F5" }], ["label:$label1", { hasKeyword: "$label1" }],
    ["filename:ritning", { operator: "AND", conditions: [{ hasAttachment: true }, { body: "ritning" }] }],
    ["-from:bo", { operator: "NOT", conditions: [{ from: "bo" }] }],
    ["hej", { text: "hej" }], ["\"två ord\"", { text: "\"två ord\"" }],
    // Neither an address on the web nor an operator without a meaning is one.
    ["https://x.test", { text: "https://x.test" }], ["note:this", { text: "note:this" }], ["larger:big", { text: "larger:big" }], ["is:", { text: "is:" }],
  ] as [string, object][]) assert.deepEqual(found(search), filter, search);
});

test("several are all wanted, and junk and trash are left out unless they are named", () => {
  assert.deepEqual(filterOf(parseSearch("från:bo båt")), { operator: "AND", conditions: [{ from: "bo" }, { text: "båt" }, { inMailboxOtherThan: ["F3", "F4"] }] });
  assert.deepEqual(filterOf(parseSearch("båt in:trash")), { operator: "AND", conditions: [{ text: "båt" }, { inMailbox: "F4" }] });
  assert.deepEqual(filterOf(parseSearch("båt in:anywhere")), { text: "båt" });
  assert.deepEqual(filterOf(parseSearch("båt"), mailboxes.value[0]), { operator: "AND", conditions: [{ text: "båt" }, { inMailbox: "F1" }] });
});

test("days", () => {
  const now = new Date(2026, 10, 25, 15, 0); // a Wednesday
  const span = (text: string) => days(text, now)?.map((d) => `${d.getFullYear()}-${d.getMonth() + 1}-${d.getDate()}`).join(" ");
  for (const [text, want] of [
    ["2026-03-01", "2026-3-1 2026-3-2"], ["2026/3", "2026-3-1 2026-4-1"], ["2025", "2025-1-1 2026-1-1"],
    ["yesterday", "2026-11-24 2026-11-25"], ["igår", "2026-11-24 2026-11-25"], ["i går", "2026-11-24 2026-11-25"], ["idag", "2026-11-25 2026-11-26"],
    ["måndag", "2026-11-23 2026-11-24"], ["lørdag", "2026-11-21 2026-11-22"], ["vecka", "2026-11-23 2026-11-26"], ["7d", "2026-11-18 2026-11-19"],
    ["someday", undefined],
  ] as [string, string | undefined][]) assert.equal(span(text), want, text);
});
