// Every row of a list can be scrolled to, however many there are, and what somebody looks at stays when others come and go.

import assert from "node:assert/strict";
import { test } from "node:test";
import { anchorsOf, ratioOf, shiftOf, tallOf, viewOf } from "./rows";

test("what is in sight", () => {
  const l = { count: 1000, height: 50, sight: 420 };
  assert.equal(ratioOf(l), 1);
  assert.deepEqual(viewOf(l, 0, 0), { from: 0, to: 9, offset: 0 });
  assert.deepEqual(viewOf(l, 125, 0), { from: 2, to: 11, offset: 0 });
  assert.deepEqual(viewOf(l, 125, 8), { from: 0, to: 19, offset: 0 });
  assert.deepEqual(viewOf(l, 1000 * 50 - 420, 8), { from: 983, to: 1000, offset: 0 });
  assert.deepEqual(viewOf({ ...l, count: 3 }, 0, 8), { from: 0, to: 3, offset: 0 });
  assert.deepEqual(viewOf({ ...l, count: 0 }, 0, 0), { from: 0, to: 0, offset: 0 });
});

test("a list that is taller than any page can be", () => {
  const l = { count: 1_000_000, height: 78, sight: 700 };
  const bottom = tallOf(l) - l.sight; // as far as one can scroll
  assert.equal(tallOf(l), 10_000_000);
  assert.equal(viewOf(l, 0, 0).from, 0);
  assert.equal(viewOf(l, bottom, 0).to, 1_000_000);
  for (const scrolled of [0, 1, 12_345, 5_000_000, bottom]) {
    const v = viewOf(l, scrolled, 0);
    // The first row stands where the page is scrolled to, or is cut off there.
    const at = v.from * l.height + v.offset - scrolled;
    assert.equal(at <= 0.001 && at > -l.height, true, `${scrolled}: ${at}`);
  }
});

test("rows that come and go above", () => {
  const keys = Array.from({ length: 50 }, (_, i) => `M${i}`);
  const look = (list: (string | undefined)[]) => [(row: number) => list[row], (key: string) => list.indexOf(key)] as const;
  const anchors = anchorsOf(10, keys.length, (row) => (row === 10 ? undefined : keys[row])); // one is not known yet
  assert.deepEqual([anchors.length, anchors[0]], [29, { row: 11, key: "M11" }]);
  const shift = (list: string[]) => shiftOf(anchors, ...look(list));
  assert.equal(shift(keys), 0);
  assert.equal(shift(["A", "B", ...keys]), 2);
  assert.equal(shift(keys.slice(3)), -3);
  assert.equal(shift([...keys.slice(0, 20), "A", ...keys.slice(20)]), 0); // below
  assert.equal(shift(["A", ...keys.filter((k) => k !== "M11" && k !== "M12")]), -1); // what was first in sight went, too
  assert.equal(shift([]), 0);
  assert.deepEqual(anchorsOf(48, keys.length, (row) => keys[row]).map((a) => a.row), [48, 49]);
});
