// What is sent goes exactly once, whatever happens between the browser and the server, and what cannot go keeps no other back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LineError, MethodError, online } from "./jmap";
import { keep } from "./mail";
import { handInAlone, keepFlushing, lookHere, shelve, waitingHere, type Outgoing } from "./outbox";

/** shelf is what the browser keeps: of IndexedDB as much as core/kept.ts asks for. */
const shelf = new Map<string, { id: string }>();
const objectStore = () => ({
  getAll: () => ({ result: [...shelf.values()] }),
  put: (what: { id: string }) => ({ result: shelf.set(what.id, what) }),
  delete: (id: string) => ({ result: shelf.delete(id) }),
});
const database = {
  transaction: () => {
    const t = { objectStore, oncomplete: () => {} };
    setTimeout(() => t.oncomplete());
    return t;
  },
};

/** server knows messages by Message-ID, and takes each once. Its answers may get lost. */
const server = { emails: new Map<string, string>(), taken: new Map<string, string>(), next: 1, times: 0, lost: 0, down: 0 };

type Args = Record<string, any>;

function answer([name, args, id]: [string, Args, string], created: string): [string, Args, string] {
  switch (name) {
    case "Email/set": {
      for (const gone of args.destroy ?? []) server.emails.delete(gone);
      if (args.create) server.emails.set(created, args.create.e.messageId[0]);
      return [name, { created: args.create && { e: { id: created } } }, id];
    }
    case "Email/query":
      return [name, { ids: [...server.emails].filter(([email, m]) => m === args.filter.header[1] && server.taken.get(m) !== email).map(([email]) => email) }, id];
    case "EmailSubmission/set": {
      const m = server.emails.get(created)!;
      if (m === "refused") return [name, { notCreated: { s: { type: "forbiddenToSend", description: "not today" } } }, id];
      if (!server.taken.has(m)) server.times++;
      if (!server.taken.has(m)) server.taken.set(m, created);
      return [name, { created: { s: { id: `S-${m}`, emailId: server.taken.get(m) } } }, id];
    }
  }
  return [name, { list: [], notFound: [] }, id];
}

Object.assign(globalThis, {
  indexedDB: {
    open: () => {
      const asked = { result: database, onsuccess: () => {} };
      setTimeout(() => asked.onsuccess());
      return asked;
    },
  },
  setInterval: () => 0,
  fetch: async (_url: string, init: { body: string }) => {
    if (server.down-- > 0) return new Response("", { status: 503 });
    const responses = JSON.parse(init.body).methodCalls.map((c: [string, Args, string], i: number, all: [string, Args, string][]) => answer(c, `M${i === 0 && all[0]![1].create ? server.next++ : server.next - 1}`));
    if (server.lost-- > 0) throw new TypeError("the line was cut");
    return new Response(JSON.stringify({ methodResponses: responses }));
  },
});
Object.defineProperty(navigator, "locks", { value: { request: (_name: string, work: () => unknown) => work() } });

const message = (id: string, more: Partial<Outgoing> = {}): Outgoing => ({
  id, at: 0, email: { messageId: [id], bodyStructure: { type: "text/plain", partId: "text" } }, files: {}, identityId: "I1", from: "anna@example.test", to: ["bo@example.org"], hold: 15, draftId: "", subject: id, draft: {}, ...more,
});

const told: string[] = [];

test("a message goes once", async () => {
  keep([["Mailbox/get", { accountId: "a1", list: [{ id: "F2", role: "drafts", myRights: {} }, { id: "F3", role: "sent", myRights: {} }] }, ""]]);

  // At once: it is off the shelf, and the draft that it came from is gone.
  server.emails.set("draft", "one");
  await shelve(message("one", { draftId: "draft" }));
  const done = await handInAlone(message("one", { draftId: "draft" }));
  assert.deepEqual([done.submissionId, server.times, shelf.size, [...server.emails.values()]], ["S-one", 1, 0, ["one"]]);

  // An answer that is lost: it stays on the shelf.
  await shelve(message("two"));
  server.lost = 1;
  await assert.rejects(handInAlone(message("two")), LineError);
  assert.deepEqual([server.times, shelf.size], [2, 1]);

  // A service that has no time: it stays as well, and is not refused.
  await shelve(message("four"));
  server.down = 1;
  await assert.rejects(handInAlone(message("four")), MethodError);
  assert.deepEqual([server.times, shelf.size], [2, 2]);

  // With it lie one whose file is gone, and one that the server does not take. Once there is a line all go that can.
  await shelve(message("broken", { email: { messageId: ["broken"], bodyStructure: { type: "text/plain", blobId: "local:x" } } }));
  await shelve(message("refused"));
  await shelve(message("three"));
  keepFlushing((o, error) => void told.push(`${o.id} ${error?.message ?? "went"}`));
  online.value = true;
  for (let tries = 0; told.length < 4 && tries < 100; tries++) await new Promise((go) => setTimeout(go, 50));
  assert.deepEqual(told, ["two went", "four went", "refused not today", "three went"]);
  assert.equal(server.times, 4); // two had gone before, and was not sent again
  assert.deepEqual([...server.emails.values()].sort(), ["four", "one", "three", "two"]); // and none is left over
  await lookHere();
  assert.deepEqual(waitingHere.value.map((o) => `${o.id} ${o.refused ?? ""}`), ["broken ", "refused not today"]);
});
