// Mailboxes stand as a tree below those that everybody has, whatever their parents are.

import assert from "node:assert/strict";
import { test } from "node:test";
import { mailboxes, shared, type Mailbox } from "../core/mail";
import { branches } from "./names";

const box = (id: string, name: string, parentId: string | null = null, more: Partial<Mailbox> = {}): Mailbox => ({
  id, name, parentId, role: null, sortOrder: 0, totalEmails: 0, unreadEmails: 0, totalThreads: 0, unreadThreads: 0, isSubscribed: true, myRights: {}, ...more,
});
const drawn = (list: ReturnType<typeof branches>["own"]): string => list.map((b) => `${"-".repeat(b.depth)}${b.m.name}${b.children ? "+" : ""}`).join(" ");

mailboxes.value = [
  box("F1", "Trash", null, { role: "trash" }), box("F2", "Inbox", null, { role: "inbox" }), box("F3", "Work", "F2"), box("F4", "B 10"), box("F5", "b 9"), box("F6", "deep", "F4"), box("F7", "deeper", "F6"),
  box("F8", "lost", "F99"),
];

test("a tree", () => {
  const { roles, own } = branches();
  assert.equal(drawn(roles), "Inbox+ -Work Trash");
  assert.equal(drawn(own), "b 9 B 10+ -deep+ --deeper lost"); // numbers by their size, and what has no parent any more on top
  assert.equal(drawn(branches(new Set(["F2", "F6"])).roles), "Inbox+ Trash");
  assert.equal(drawn(branches(new Set(["F6"])).own), "b 9 B 10+ -deep+ lost");
});

test("of what another shares, what one wants to see", () => {
  shared.value = [box("F3-1", "Team", null, { sharer: "a3" }), box("F3-2", "Old", null, { sharer: "a3", isSubscribed: false }), box("F4-1", "Other", null, { sharer: "a4" })];
  assert.equal(drawn(branches(undefined, "a3").own), "Team");
});
