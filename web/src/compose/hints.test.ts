// What is said of a message before it goes, and what mends it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { signal } from "@preact/signals";
import type { Chip } from "./addresses";
import { hintsOf, lastHints } from "./hints";
import type { Draft } from "./model";

const chips = (...emails: string[]): Chip[] => emails.map((email) => ({ name: null, email, ...(email.includes("@") ? {} : { bad: true }) }));

function draft({ to = ["bo@example.org"], subject = "Kaffe", text = "", files = [] as object[], answers = false }): Draft {
  return {
    to: signal(chips(...to)), cc: signal<Chip[]>([]), bcc: signal<Chip[]>([]), subject: signal(subject), text, rich: signal(false), files: signal(files), read: () => {},
    answering: answers ? { emailId: "M1", keyword: "$answered" } : undefined,
  } as unknown as Draft;
}

const does = { attach: () => {}, subject: () => {} };
const keys = (hints: { key: string; weight: string }[]): string => hints.map((h) => `${h.key} ${h.weight}`).join(", ");

test("addresses", () => {
  assert.equal(keys(hintsOf(draft({}), does)), "");
  assert.equal(keys(hintsOf(draft({ to: ["bo"] }), does)), "bad bo stops");
  const slipped = draft({ to: ["bo@gmial.com", "cia@example.org"] });
  const [hint] = hintsOf(slipped, does);
  assert.equal(hint!.key, "domain bo@gmial.com");
  hint!.run!();
  assert.deepEqual(slipped.to.value.map((c) => c.email), ["bo@gmail.com", "cia@example.org"]);
  assert.equal(keys(hintsOf(slipped, does)), "");
});

test("many addressees, each of whom would see the others", () => {
  const many = draft({ to: Array.from({ length: 21 }, (_, i) => `p${i}@example.org`) });
  const [hint] = hintsOf(many, does);
  assert.equal(keys([hint!]), "many tells");
  hint!.run!();
  assert.deepEqual([many.to.value.length, many.bcc.value.length], [0, 21]);
  let alone = false;
  hintsOf(draft({ to: Array.from({ length: 21 }, (_, i) => `p${i}@example.org`), answers: true }), { ...does, onlySender: () => (alone = true) })[0]!.run!();
  assert.equal(alone, true);
});

test("a file that is promised and is not there", () => {
  for (const [text, hinted] of [
    ["I have attached the plan.", true], ["Se den bifogade planen", true], ["Planen är bifogad.", true], ["Jag har bifogat den", true], ["Se bilaga", true], ["Jeg har lagt ved planen", true], ["Jeg legger ved planen", true], ["Vedlagt finner du planen", true],
    ["We talked about attachment theory? No, about a detachment.", true], ["Detachment and reattached", false], ["See you", false],
    // Neither what is quoted nor a signature promises anything.
    ["Thanks\n> I have attached the plan", false], ["Thanks\n-- \nNo attachments, please", false],
  ] as [string, boolean][]) assert.equal(keys(lastHints(draft({ text }), does)), hinted ? "attachment asks" : "", text);
  assert.equal(keys(lastHints(draft({ subject: "Bilaga", text: "" }), does)), "attachment asks");
  assert.equal(keys(lastHints(draft({ text: "attached", files: [{ cid: "" }] }), does)), "");
  assert.equal(keys(lastHints(draft({ text: "attached", files: [{ cid: "picture" }] }), does)), "attachment asks"); // a picture in the text is not it
  assert.equal(keys(lastHints(draft({ subject: " " }), does)), "subject asks");
});
