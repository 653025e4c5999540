// A session with jmap-client-ts: node jmapts.mjs SESSION-URL ADDRESS PASSWORD RECIPIENT.
import assert from "node:assert/strict";
import jmap from "jmap-client-ts";
import transport from "jmap-client-ts/lib/utils/fetch-transport.js";
import { basic, passed } from "./common.mjs";

const [sessionUrl, address, password, recipient] = process.argv.slice(2);
const client = new jmap.Client({
  sessionUrl, accessToken: "none", transport: new transport.FetchTransport(fetch),
  httpHeaders: { Authorization: basic(address, password), "Content-Type": "application/json" },
});
await client.fetchSession();
const accountId = client.getFirstAccountId();
assert.equal(client.getSession().username, address);
passed("session");

const boxes = await client.mailbox_get({ accountId, ids: null });
const role = (name) => boxes.list.find((b) => b.role === name).id;
const made = await client.mailbox_set({ accountId, create: { work: { name: "Arbete", parentId: null } } });
const work = made.created.work.id;
const changed = await client.mailbox_changes({ accountId, sinceState: boxes.state });
assert.deepEqual(changed.created, [work]);
passed("Mailbox/get, set, changes");

const draft = await client.email_set({
  accountId,
  create: {
    letter: {
      mailboxIds: { [role("drafts")]: true }, keywords: { $draft: true, $seen: true }, from: [{ name: "Anna", email: address }], to: [{ email: recipient }],
      subject: "jmap-client-ts", bodyValues: { t: { value: "Hello from a library.\n" } }, textBody: [{ partId: "t", type: "text/plain" }],
    },
  },
});
const id = draft.created.letter.id;
passed("Email/set makes a draft");

const identities = await client.request("Identity/get", { accountId, ids: null });
const sent = await client.emailSubmission_set({
  accountId, create: { s: { emailId: id, identityId: identities.list[0].id } },
  onSuccessUpdateEmail: { "#s": { [`mailboxIds/${role("sent")}`]: true, [`mailboxIds/${role("drafts")}`]: null, "keywords/$draft": null } },
});
assert.ok(sent.created.s.id);
passed("EmailSubmission/set sends it");

const found = await client.email_query({ accountId, filter: { inMailbox: role("sent"), text: "library" }, sort: [{ property: "sentAt" }] });
assert.deepEqual(found.ids, [id]);
const news = await client.email_changes({ accountId, sinceState: draft.oldState });
assert.deepEqual(news.created, [id]);
const got = await client.email_get({ accountId, ids: [id], properties: ["mailboxIds", "keywords", "subject"] });
assert.deepEqual(got.list[0].mailboxIds, { [role("sent")]: true });
assert.ok(!got.list[0].keywords.$draft);
passed("Email/query, changes, get: it lies in Sent");

const gone = await client.mailbox_set({ accountId, destroy: [work] });
assert.deepEqual(gone.destroyed, [work]);
await assert.rejects(client.email_get({ accountId: "a0", ids: [] }), (e) => e.type === "accountNotFound");
passed("an error is told");
console.log("end");
