// A push becomes notifications: nothing of it is believed to have a form that it need not have.

import assert from "node:assert/strict";
import { test } from "node:test";
import { noticesOf, usual } from "./notice";

const preferences = { ...usual, newMail: "{n} new messages" };
const push = (emails: unknown, more: object = {}, here: object = {}) => noticesOf({ "@type": "StateChange", emails, ...more }, { ...preferences, ...here });
const bo = { id: "M1", threadId: "T1", mailboxId: "F1", from: [{ name: "Bo", email: "bo@example.org" }], subject: "Kaffe?", preview: "I dag kl. 15" };

test("each message that is described is told of by itself", () => {
  const [one, ...others] = push([bo], { count: 1, unread: 7 });
  assert.deepEqual(others, []);
  assert.deepEqual(one, { title: "Bo", text: "Kaffe?\nI dag kl. 15", tag: "T1", url: "/mail/F1/T1", badge: 7, dot: false, silent: false, own: false });
  const [named, nobody] = push([{ ...bo, from: [{ name: null, email: "bo@example.org" }], subject: "" }, { ...bo, from: null }], { count: 2 });
  assert.equal(named!.title, "bo@example.org");
  assert.equal(named!.text, "I dag kl. 15");
  assert.equal(nobody!.title, "Postiljon");
});

test("what is not described, or too much, is told of as a number", () => {
  for (const told of [push([{ id: "M1", threadId: "T1", mailboxId: "F1" }], { count: 1 }), push([bo], { count: 40 })]) {
    assert.equal(told.length, 1);
    assert.equal(told[0]!.url, "/mail/inbox");
  }
  assert.equal(push([bo], { count: 40 })[0]!.text, "40 new messages");
});

test("the badge is as it is wanted", () => {
  const badges = ["number", "dot", "none"].map((badge) => push([bo], { count: 1, unread: 7, badge })[0]!).map((n) => [n.badge, n.dot]);
  assert.deepEqual(badges, [[7, false], [7, true], [undefined, false]]);
});

test("folders that are to be quiet are, and a browser that is", () => {
  const [quiet, own] = push([{ ...bo, sound: "none" }, { ...bo, sound: "bell" }], { count: 2 });
  assert.deepEqual([quiet!.silent, quiet!.own, own!.silent, own!.own], [true, false, false, true]);
  const [many] = push([{ ...bo, sound: "none" }, bo], { count: 9 });
  assert.equal(many!.silent, false); // one of them is not
  assert.equal(push([bo], { count: 1 }, { mute: true })[0]!.silent, true);
});

test("a test is shown, and what is no push of mail is not", () => {
  const [shown] = noticesOf({ "@type": "PushTest", test: 5, sent: "2026-11-22T10:00:00Z" }, preferences);
  assert.deepEqual(shown!.test, { id: "5", sent: "2026-11-22T10:00:00Z" });
  for (const told of [undefined, null, 3, "x", {}, { "@type": "StateChange", changed: {} }, { "@type": "StateChange", emails: [] }, { "@type": "StateChange", emails: "M1" }])
    assert.deepEqual(noticesOf(told, preferences), [], JSON.stringify(told));
});
