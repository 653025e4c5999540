// Links that write to somebody (RFC 6068) become what a window begins with, whatever a page put into them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { mailto } from "./open";

const to = (...emails: string[]) => emails.map((email) => ({ name: null, email }));

test("mailto", () => {
  for (const [href, want] of [
    ["mailto:anna@example.org", { to: to("anna@example.org"), cc: [], bcc: [] }],
    ["mailto:a@x.test,b@x.test?to=c@x.test&CC=d@x.test&bcc=e@x.test", { to: to("a@x.test", "b@x.test", "c@x.test"), cc: to("d@x.test"), bcc: to("e@x.test") }],
    ["mailto:?subject=Kaffe%20p%C3%A5%20fredag&body=Hej%0D%0ABo", { to: [], cc: [], bcc: [], subject: "Kaffe på fredag", text: "Hej\nBo" }],
    // A plus is a plus, an equals sign belongs to the value, and a broken escape stands as it is.
    ["mailto:anna+news@example.org?subject=1+1=2&body=100%", { to: to("anna+news@example.org"), cc: [], bcc: [], subject: "1+1=2", text: "100%" }],
    // No header comes in through a subject, and others than these are not taken.
    ["mailto:a@x.test?subject=a%0D%0ABcc:%20b@x.test&from=c@x.test&attach=/etc/passwd", { to: to("a@x.test"), cc: [], bcc: [], subject: "a Bcc: b@x.test" }],
  ] as [string, object][]) assert.deepEqual(mailto(href), want, href);
});
