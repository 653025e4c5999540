// Addresses as people type and paste them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isAddress, meant, readAddresses, slip, written } from "./addresses";

const read = (text: string) => readAddresses(text).map((c) => (c.bad ? `!${c.email}` : c.name ? `${c.name}=${c.email}` : c.email));

test("lists are read as they are pasted", () => {
  for (const [text, want] of [
    ["anna@example.org", ["anna@example.org"]],
    ["Anna <a@example.org>, b@example.org; c@example.org", ["Anna=a@example.org", "b@example.org", "c@example.org"]],
    ['"Berg, Anna" <a@example.org>,\n"O\\"Hara" <o@example.org>', ["Berg, Anna=a@example.org", 'O"Hara=o@example.org']],
    ["a@example.org b@example.org\tc@example.org", ["a@example.org", "b@example.org", "c@example.org"]],
    ["Åsa Öberg <åsa@räksmörgås.se>", ["Åsa Öberg=åsa@räksmörgås.se"]],
    ["<a@example.org>, mailto <mailto:b@example.org>", ["a@example.org", "mailto=b@example.org"]],
    ["anna, bo@", ["!anna", "!bo@"]],
    ["Anna B <anna>", ["Anna B=!anna"]],
    ["a@example.org <a@example.org>", ["a@example.org"]],
    [" ; , ", []],
  ] as [string, string[]][]) {
    const got = readAddresses(text).map((c) => `${c.name ? `${c.name}=` : ""}${c.bad ? "!" : ""}${c.email}`);
    assert.deepEqual(got, want, text);
  }
  assert.deepEqual(read('5" disk <a@example.org>, b@example.org').at(-1), "b@example.org");
});

test("what is written is read again", () => {
  for (const name of ["Anna", "Berg, Anna", 'Anna "Anka" Berg', "Åsa (privat)", "a\\b"]) {
    assert.deepEqual(readAddresses(written({ name, email: "a@example.org" })), [{ name, email: "a@example.org" }]);
  }
});

test("addresses are told from what is none", () => {
  for (const ok of ["a@b.se", "a.b+c@d.example.org", "o'hara@example.org", "x@xn--rksmrgs-5wao1o.se", "å@ö.se"]) assert(isAddress(ok), ok);
  for (const no of ["", "a", "@b.se", "a@", "a@b", "a b@c.se", ".a@b.se", "a.@b.se", "a..b@c.se", "a@-b.se", "a@b..se", "a@1.2.3.4", `${"x".repeat(65)}@b.se`, "a@b.se>"]) assert(!isAddress(no), no);
});

test("slips of the fingers are noticed in domains that one knows", () => {
  assert.equal(meant("gmial.com", []), "gmail.com");
  assert.equal(meant("hotmial.se", []), "hotmail.se");
  assert.equal(meant("exmaple.org", ["example.org"]), "example.org");
  assert.equal(meant("gmail.com", []), undefined);
  assert.equal(meant("gmial.com", ["gmial.com"]), undefined, "one that somebody writes to is meant");
  assert.equal(meant("example.net", ["example.org"]), undefined);
  assert(slip("abc", "acb") && slip("abc", "abcd") && slip("abc", "ab") && slip("abc", "axc"));
  assert(!slip("abc", "abc") && !slip("abc", "cba") && !slip("abc", "abcde"));
});
