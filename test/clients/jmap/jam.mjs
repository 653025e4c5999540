// A session with jmap-jam: node jam.mjs SESSION-URL ADDRESS PASSWORD.
import assert from "node:assert/strict";
import JamClient from "jmap-jam";
import { basic, passed } from "./common.mjs";

const [url, address, password] = process.argv.slice(2);
// The library signs in with tokens alone, the service of the tests with passwords.
const plain = globalThis.fetch;
globalThis.fetch = (to, init) => plain(to, { ...init, headers: { ...init.headers, Authorization: basic(address, password) } });

const jam = new JamClient({ sessionUrl: url, bearerToken: "none" });
const accountId = await jam.getPrimaryAccount();
assert.ok(accountId);
passed("session, primary account");

const [boxes] = await jam.api.Mailbox.get({ accountId });
const role = (name) => boxes.list.find((b) => b.role === name).id;
const [query] = await jam.api.Mailbox.query({ accountId, filter: { role: "inbox" } });
assert.deepEqual(query.ids, [role("inbox")]);
passed("Mailbox/get, Mailbox/query");

const text = `From: ${address}\r\nTo: ${address}\r\nSubject: =?utf-8?q?=C3=85ngstr=C3=B6m?=\r\nMessage-ID: <jam@client.test>\r\n\r\nHej.\r\n`;
const blob = await jam.uploadBlob(accountId, text, { headers: { "Content-Type": "message/rfc822" } });
const [before] = await jam.api.Email.query({ accountId, filter: { inMailbox: role("inbox") } });
const [imported] = await jam.request(["Email/import", { accountId, emails: { one: { blobId: blob.blobId, mailboxIds: { [role("inbox")]: true }, keywords: {} } } }]);
const id = imported.created.one.id;
passed("upload, Email/import");

const [page] = await jam.requestMany((b) => {
  const found = b.Email.query({ accountId, filter: { inMailbox: role("inbox"), subject: "ångström" }, sort: [{ property: "receivedAt", isAscending: false }], collapseThreads: true });
  const emails = b.Email.get({ accountId, ids: found.$ref("/ids"), properties: ["threadId", "subject", "from", "preview"] });
  const threads = b.Thread.get({ accountId, ids: emails.$ref("/list/*/threadId") });
  return { found, emails, threads };
});
assert.equal(page.emails.list[0].subject, "Ångström");
assert.deepEqual(page.threads.list[0].emailIds, [id]);
passed("query, get and threads in one request, by references");

const [changes] = await jam.api.Email.queryChanges({ accountId, filter: { inMailbox: role("inbox") }, sinceQueryState: before.queryState });
assert.deepEqual(changes.added.map((one) => one.id), [id]);
await jam.api.Email.set({ accountId, update: { [id]: { "keywords/$seen": true, mailboxIds: { [role("archive")]: true } } } });
const [since] = await jam.api.Email.changes({ accountId, sinceState: imported.newState });
assert.deepEqual(since.updated, [id]);
passed("Email/queryChanges, Email/set, Email/changes");

const [got] = await jam.api.Email.get({ accountId, ids: [id], properties: ["blobId", "keywords", "mailboxIds", "bodyValues", "textBody"], fetchTextBodyValues: true });
assert.deepEqual(got.list[0].mailboxIds, { [role("archive")]: true });
assert.equal(got.list[0].bodyValues[got.list[0].textBody[0].partId].value.trim(), "Hej.");
const back = await jam.downloadBlob({ accountId, blobId: got.list[0].blobId, mimeType: "message/rfc822", fileName: "letter.eml" });
assert.equal(await back.text(), text);
passed("the email comes back byte for byte");

await assert.rejects(jam.api.Email.query({ accountId, filter: { colour: "red" } }), (e) => e.type === "unsupportedFilter");
passed("an error is one of the library");
console.log("end");
