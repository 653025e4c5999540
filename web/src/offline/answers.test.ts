// What the list and the reading pane ask without a line is answered as the server would, from what is kept.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Invocation } from "../core/jmap";
import { answer } from "./answers";
import type { Kept } from "./database";
import type { Change, Later } from "./later";

const email = (id: string, threadId: string, minute: number, more: object = {}) => ({
  id, threadId, mailboxIds: { F1: true }, keywords: {}, from: [{ name: "Bo", email: "bo@example.org" }], to: null, subject: "", preview: "", hasAttachment: false, receivedAt: `2026-11-22T10:0${minute}:00Z`, ...more,
});
const emails = [
  email("M1", "T1", 1, { subject: "Kaffe", keywords: { $seen: true } }), email("M2", "T2", 2, { from: [{ name: "Cia", email: "cia@example.org" }] }), email("M3", "T1", 3, { preview: "kaffet är slut" }),
  email("M4", "T3", 4, { mailboxIds: { F2: true } }), email("M10", "T4", 4, { hasAttachment: true }),
];
const theirs = email("M2-7", "T2-7", 5, { mailboxIds: { "F2-3": true } });
const database = {
  all: async (table: string) => (table === "texts" ? [{ id: "M2", text: "Vi ses vid bryggan." }] : [...emails, theirs]),
  get: async (_: string, name: string) => ({ "mailboxes-a1": [{ id: "F1" }], "mailboxes-a2": [{ id: "F2-3" }] })[name],
} as unknown as Kept;

const later = { takes: (args: object) => "update" in args, take: async ({ update }: Change) => ({ updated: update }) } as unknown as Later;
/** Told is what the tests look at in the answers of several methods. */
interface Told {
  ids: string[];
  position: number;
  total: number;
  list: { id: string; bodyValues: Record<string, { value: string }> }[];
}
const ask = async (...calls: Invocation[]) => (await answer(database, later, calls)) as [string, Told, string][] | undefined;
const found = async (filter: object | undefined, more: object = {}) => (await ask(["Email/query", { accountId: "a1", filter, ...more }, "0"]))![0]![1];

test("filters", async () => {
  for (const [filter, want] of [
    [undefined, "M10 M4 M3 M2 M1"], [{ inMailbox: "F1" }, "M10 M3 M2 M1"], [{ inMailboxOtherThan: ["F1"] }, "M4"], [{ notKeyword: "$seen" }, "M10 M4 M3 M2"], [{ hasKeyword: "$seen" }, "M1"],
    [{ text: "KAFFE" }, "M3 M1"], [{ text: "bryggan" }, "M2"], [{ subject: "kaffe" }, "M1"], [{ from: "cia" }, "M2"], [{ hasAttachment: true }, "M10"],
    [{ after: "2026-11-22T10:03:00Z", inMailbox: "F1" }, "M10 M3"], [{ before: "2026-11-22T10:02:00Z" }, "M1"],
    [{ operator: "AND", conditions: [{ text: "kaffe" }, { notKeyword: "$seen" }] }, "M3"], [{ operator: "OR", conditions: [{ from: "cia" }, { subject: "kaffe" }] }, "M2 M1"],
    [{ operator: "NOT", conditions: [{ inMailbox: "F1" }, { from: "cia" }] }, "M4"],
  ] as [object | undefined, string][]) assert.equal((await found(filter)).ids.join(" "), want, JSON.stringify(filter));
});

test("a page of conversations, with all that is shown of them, in one request", async () => {
  const all = await found({ inMailbox: "F1" }, { collapseThreads: true });
  assert.deepEqual([all.total, all.ids], [3, ["M10", "M3", "M2"]]);
  const answers = await ask(
    ["Email/query", { accountId: "a1", filter: { inMailbox: "F1" }, collapseThreads: true, position: 1, limit: 1 }, "0"],
    ["Email/get", { accountId: "a1", "#ids": { resultOf: "0", name: "Email/query", path: "/ids" } }, "1"],
    ["Thread/get", { accountId: "a1", "#ids": { resultOf: "1", name: "Email/get", path: "/list/*/threadId" } }, "2"],
    ["Email/get", { accountId: "a1", "#ids": { resultOf: "2", name: "Thread/get", path: "/list/*/emailIds" } }, "3"],
  );
  const [query, rows, threads, others] = answers!.map((a) => a[1]);
  assert.deepEqual([query!.ids, query!.position, query!.total], [["M3"], 1, 3]);
  assert.deepEqual(rows!.list.map((e) => e.id), ["M3"]);
  assert.deepEqual(threads!.list, [{ id: "T1", emailIds: ["M1", "M3"] }]);
  assert.deepEqual(others!.list.map((e) => e.id), ["M1", "M3"]);
});

test("what another shares is apart", async () => {
  assert.deepEqual((await ask(["Email/query", { accountId: "a2" }, "0"]))![0]![1].ids, ["M2-7"]);
});

test("what is done is noted, and a list that asks what changed in it asks for all of it", async () => {
  assert.deepEqual(await ask(["Email/set", { accountId: "a1", update: { M1: {} } }, "0"]), [["Email/set", { updated: { M1: {} } }, "0"]]);
  assert.deepEqual(await ask(["Email/queryChanges", { accountId: "a1" }, "0"]), [["error", { type: "cannotCalculateChanges" }, "0"]]);
});

const refuses = async (call: Invocation) => assert.equal(await ask(call).then(() => "answered", () => "not"), "not");

test("what cannot be answered is not", async () => {
  assert.equal(await ask(["Email/set", { accountId: "a1" }, "0"]), undefined);
  assert.equal(await ask(["Email/query", { accountId: "a1" }, "0"], ["Quota/get", { accountId: "a1" }, "1"]), undefined);
  assert.equal(await ask(["Email/query", { accountId: "a3" }, "0"]), undefined);
  for (const name of ["Email/get", "Thread/get"]) await refuses([name, { accountId: "a1", ids: ["M1", "M99"] }, "0"]); // nobody knows here whether it is gone
  await refuses(["Email/query", { accountId: "a1", filter: { header: ["Message-ID", "x"] } }, "0"]);
  await refuses(["Email/get", { accountId: "a1", ids: ["M1"], fetchTextBodyValues: true }, "0"]);
  const [answered] = (await ask(["Email/get", { accountId: "a1", ids: ["M2"], fetchTextBodyValues: true }, "0"]))!;
  assert.equal(answered![1].list[0]!.bodyValues.kept!.value, "Vi ses vid bryggan.");
});
