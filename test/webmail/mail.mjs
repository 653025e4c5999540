// Asking JMAP as the page of somebody does, for what the flows compare with.

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
