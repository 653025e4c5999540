// What was done to the same message several times comes to one change, and what was taken back to none that moves it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { together } from "./later";

test("changes of an account are put together", () => {
  const all = together([
    { accountId: "a1", update: { M1: { "mailboxIds/F1": null, "mailboxIds/F2": true }, M2: { "keywords/$seen": true } } },
    { accountId: "a2", update: { "M2-7": { "keywords/$flagged": true } } },
    { accountId: "a1", update: { M1: { "mailboxIds/F1": true, "mailboxIds/F2": null, "keywords/$seen": true } } },
  ]);
  assert.deepEqual([...all], [
    ["a1", { M1: { "mailboxIds/F1": true, "mailboxIds/F2": null, "keywords/$seen": true }, M2: { "keywords/$seen": true } }],
    ["a2", { "M2-7": { "keywords/$flagged": true } }],
  ]);
});
