import assert from "node:assert/strict";
import { test } from "node:test";
import type { Filter, Sort } from "../core/list";
import { matches, sorted, type Full } from "./matches";

const e = (more: Partial<Full>): Full => ({
  id: "M1", threadId: "T1", mailboxIds: { F1: true }, keywords: {}, from: [{ name: "Åke Öberg", email: "ake@segel.test" }], to: [], subject: "Re: Segling", receivedAt: "2026-11-20T10:00:00Z",
  size: 1000, preview: "Vi ses", hasAttachment: false, ...more,
});

test("a filter looks where the server would", () => {
  const yes = (filter: Filter, text = "Ta med kantareller.") => matches(filter, e({ attachments: [{ partId: "2", name: "karta.pdf", type: "application/pdf", size: 9, disposition: null, cid: null }] }), () => text);
  for (const filter of [
    { text: "oberg" }, { text: "segling kantareller" }, { text: '"med kantareller"' }, { body: "KARTA" }, { subject: "segling" }, { from: "ake" }, { inMailbox: "F1" }, { notKeyword: "$seen" },
    { minSize: 1000 }, { maxSize: 1001 }, { after: "2026-11-20T10:00:00.000Z" }, { before: "2026-11-21T00:00:00.000Z" },
    { operator: "NOT", conditions: [{ text: "strömming" }] }, { operator: "AND", conditions: [{ text: "vi" }, { hasAttachment: false }] },
  ]) assert(yes(filter), JSON.stringify(filter));
  for (const filter of [{ text: '"kantareller med"' }, { body: "oberg" }, { inMailbox: "F2" }, { maxSize: 1000 }, { before: "2026-11-20T10:00:00.000Z" }, { notKeyword: "$flagged", hasKeyword: "$seen" }])
    assert(!yes(filter), JSON.stringify(filter));
  assert.throws(() => yes({ header: ["Message-ID", "x"] }));
});

test("emails stand in the order that was asked for", () => {
  const all = [e({ id: "M3", size: 1, subject: "B" }), e({ id: "M2-12", size: 3, subject: "Sv: a" }), e({ id: "M2-9", size: 3, subject: "C", keywords: { $flagged: true } })];
  const ids = (...sort: Sort[]) => sorted(all, sort).map((x) => x.id);
  assert.deepEqual(ids({ property: "size", isAscending: false }), ["M2-12", "M2-9", "M3"]);
  assert.deepEqual(ids({ property: "subject" }), ["M2-12", "M3", "M2-9"]);
  assert.deepEqual(ids({ property: "hasKeyword", keyword: "$flagged", isAscending: false }, { property: "receivedAt", isAscending: false }), ["M2-9", "M2-12", "M3"]);
});
