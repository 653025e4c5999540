// Asking JMAP as the page of somebody does, for what the flows compare with.

import { request } from "playwright-core";
import { assert, base } from "./flow.mjs";

/** jmap makes method calls in the session of a page and answers with their results. */
export function jmap(page, ...calls) {
  return page.evaluate(async (calls) => {
    const first = JSON.parse(document.getElementById("first").textContent);
    const response = await fetch("/jmap/api", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": first.csrf },
      body: JSON.stringify({
        using: ["urn:ietf:params:jmap:core", "urn:ietf:params:jmap:mail", "urn:ietf:params:jmap:submission", "urn:postiljon:params:jmap:mail"],
        methodCalls: calls.map(([name, args], i) => [name, { accountId: first.account.id, ...args }, `c${i}`]),
      }),
    });
    return (await response.json()).methodResponses.map((r) => r[1]);
  }, calls);
}

/** inMailbox are the ids of the emails in the mailbox with a role. */
export async function inMailbox(page, role) {
  const [boxes] = await jmap(page, ["Mailbox/get", { ids: null }]);
  const [query] = await jmap(page, ["Email/query", { filter: { inMailbox: boxes.list.find((m) => m.role === role).id } }]);
  return query.ids;
}

/** place puts messages into the inbox of an account as they are, without a browser, and answers their ids. */
export async function place(account, messages) {
  const authorization = `Basic ${Buffer.from(`${account.address}:${account.password}`).toString("base64")}`;
  const program = await request.newContext({ ignoreHTTPSErrors: true, extraHTTPHeaders: { authorization } });
  const session = await (await program.get(`${base}/jmap/session`)).json();
  const accountId = session.primaryAccounts["urn:ietf:params:jmap:mail"];
  const post = async (path, data, contentType) => {
    const response = await program.post(base + path, { headers: { "content-type": contentType }, data });
    assert.ok(response.ok(), await response.text());
    return response.json();
  };
  const call = (calls) => post("/jmap/api", JSON.stringify({ using: ["urn:ietf:params:jmap:core", "urn:ietf:params:jmap:mail"], methodCalls: calls }), "application/json");
  const boxes = (await call([["Mailbox/get", { accountId, ids: null }, "m"]])).methodResponses[0][1].list;
  const mailboxIds = { [boxes.find((b) => b.role === "inbox").id]: true };
  const emails = {};
  const waiting = messages.entries();
  await Promise.all([1, 2, 3].map(async () => {
    for (const [n, text] of waiting) {
      const { blobId } = await post(`/jmap/upload/${accountId}/`, Buffer.from(text), "message/rfc822");
      emails[`e${n}`] = { blobId, mailboxIds };
    }
  }));
  const { created, notCreated } = (await call([["Email/import", { accountId, emails }, "i"]])).methodResponses[0][1];
  assert.equal(notCreated ?? null, null);
  await program.dispose();
  return messages.map((_, n) => created[`e${n}`].id);
}
