// Who gets an answer, under which subject, in which conversation.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Address } from "../core/mail";
import { addressees, referencesOf, subjectOf, unflow, type Whole } from "./quote";

const me = { name: "Anna", email: "anna@example.test" }; // as src/test/page.ts has it
const bo = { name: "Bo", email: "bo@example.org" };
const cia = { name: null, email: "cia@example.org" };
const list = { name: null, email: "list@example.org" };

const email = (e: Partial<Whole>): Whole => ({ from: [bo], to: [me], cc: null, replyTo: null, messageId: ["m"], inReplyTo: null, references: null, ...e }) as Whole;
const names = ({ to, cc }: { to: Address[]; cc: Address[] }): string => [to, cc].map((l) => l.map((a) => a.email.split("@")[0]).join(" ")).join(" / ");

test("addressees", () => {
  for (const [e, all, want] of [
    [{}, false, "bo / "],
    [{ to: [me, cia], cc: [list] }, false, "bo / "],
    [{ to: [me, cia], cc: [list] }, true, "bo cia / list"],
    [{ replyTo: [list] }, false, "list / "],
    [{ replyTo: [list], to: [me, bo] }, true, "list bo / "],
    // Nobody gets it twice, in whatever case and field he is, and oneself not at all, also at a subaddress.
    [{ to: [{ name: null, email: "BO@example.org" }, { name: null, email: "Anna+x@example.test" }], cc: [bo, me] }, true, "bo / "],
    // An answer to what one sent oneself goes to whom that went; to oneself if nobody else is there.
    [{ from: [me], to: [bo], cc: [cia] }, false, "bo / "],
    [{ from: [me], to: [bo], cc: [cia] }, true, "bo / cia"],
    [{ from: [me], to: [me] }, false, "anna / "],
    [{ from: null }, false, " / "],
  ] as [Partial<Whole>, boolean, string][]) assert.equal(names(addressees(email(e), all)), want, JSON.stringify(e));
});

test("subjects do not pile up", () => {
  for (const [had, prefix, want] of [
    ["Kaffe", "Re", "Re: Kaffe"], ["Re: Kaffe", "Re", "Re: Kaffe"], ["SV: Kaffe", "Re", "SV: Kaffe"], ["Re[2]: Kaffe", "Re", "Re[2]: Kaffe"], [" re : Kaffe ", "Re", "re : Kaffe"],
    ["Fwd: Kaffe", "Re", "Re: Fwd: Kaffe"], ["Kaffe", "Fwd", "Fwd: Kaffe"], ["VB: Kaffe", "Fwd", "VB: Kaffe"], ["Recept: kaffe", "Re", "Re: Recept: kaffe"], [null, "Re", "Re:"],
  ] as [string | null, "Re" | "Fwd", string][]) assert.equal(subjectOf(had, prefix), want, String(had));
});

test("references lead to the first message and the latest ones", () => {
  assert.deepEqual(referencesOf(email({ references: ["a", "b"], messageId: ["c"] })), ["a", "b", "c"]);
  assert.deepEqual(referencesOf(email({ inReplyTo: ["a"], messageId: ["b"] })), ["a", "b"]);
  assert.deepEqual(referencesOf(email({ inReplyTo: ["a", "b"], messageId: ["c"] })), ["c"]); // which of them it answers is not known
  assert.deepEqual(referencesOf(email({ references: ["a", "m", "a"] })), ["a", "m"]);
  const many = Array.from({ length: 100 }, (_, i) => `r${i}`);
  const kept = referencesOf(email({ references: many }));
  assert.equal(kept.length, 30);
  assert.deepEqual([kept[0], kept[1], kept.at(-1)], ["r0", "r72", "m"]);
});

test("lines that a program broke are one again", () => {
  for (const [text, want, delSp] of [
    ["Ett långt \nstycke.\n\nNästa.", "Ett långt stycke.\n\nNästa."],
    ["> Citat som \n> hänger ihop.\n>\n>> Äldre \nEget", "> Citat som hänger ihop.\n>\n>> Äldre \nEget"],
    [" >inget citat", ">inget citat"],
    ["Slut \n-- \nAnna", "Slut \n-- \nAnna"],
    ["日本 \n語", "日本語", true],
  ] as [string, string, boolean?][]) assert.equal(unflow(text, !!delSp), want, JSON.stringify(text));
});
