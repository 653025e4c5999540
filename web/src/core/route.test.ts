// Addresses and places of the program lead to each other, whatever is in a name or in what is searched for.

import assert from "node:assert/strict";
import { test } from "node:test";
import { address, parse } from "./route";

const at = (path: string) => parse(new URL(path, "https://mail.example.test"));

test("addresses and places", () => {
  for (const [path, want] of [
    ["/mail/inbox", { page: "mail", mailbox: "inbox", thread: "", search: "" }],
    ["/mail/F12/T7", { page: "mail", mailbox: "F12", thread: "T7" }],
    ["/mail/inbox?q=fr%C3%A5n%3Abo%20%26%20co&w=here&f=unread,starred&s=oldest", { search: "från:bo & co", where: "here", filters: "unread,starred", order: "oldest" }],
    ["/settings/security", { page: "settings", section: "security" }],
    ["/settings/", { page: "settings", section: "" }],
  ] as [string, object][]) {
    const place = at(path);
    for (const [name, value] of Object.entries(want)) assert.equal(place[name as keyof typeof place], value, `${name} of ${path}`);
    assert.deepEqual(at(address(place)), place, path);
  }
});

test("what nobody would have written is taken as well as it goes", () => {
  assert.equal(at("/mail/").mailbox, "inbox");
  assert.equal(at("/mail").mailbox, "inbox");
  assert.equal(at("/mail/100%").mailbox, "100%");
  assert.equal(at("/mail/inbox?w=nowhere").where, "");
  assert.equal(address({ ...at("/mail/inbox"), where: "here" }), "/mail/inbox"); // where says nothing without a search
});
