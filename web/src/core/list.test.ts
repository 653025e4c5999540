// A list that is told of changes alone must end up as one that is read anew, whichever of its rows were ever looked at.

import assert from "node:assert/strict";
import { test } from "node:test";
import { List } from "./list";

/** world is a server with one list of rows, newest first, that remembers its states. */
class World {
  rows: string[] = [];
  past: string[][] = [];
  next = 1;

  step(random: () => number): void {
    this.past.push([...this.rows]);
    const n = Math.floor(random() * 4);
    for (let i = 0; i < n; i++) {
      if (random() < 0.6 || this.rows.length === 0) this.rows.splice(Math.floor(random() * 3), 0, `M${this.next++}`);
      else this.rows.splice(Math.floor(random() * this.rows.length), 1);
    }
  }

  get state(): string {
    return String(this.past.length);
  }

  answer([name, args, id]: [string, any, string]): [string, any, string] {
    switch (name) {
      case "Email/query":
        return [name, { queryState: this.state, canCalculateChanges: true, position: args.position, total: this.rows.length, ids: this.rows.slice(args.position, args.position + args.limit) }, id];
      case "Email/queryChanges": {
        const before = this.past[Number(args.sinceQueryState)] ?? this.rows;
        const removed = before.filter((r) => !this.rows.includes(r));
        const added = this.rows.flatMap((r, index) => (before.includes(r) ? [] : [{ id: r, index }]));
        return [name, { oldQueryState: args.sinceQueryState, newQueryState: this.state, total: this.rows.length, removed, added }, id];
      }
      default:
        return [name, { state: "0", list: [], notFound: [] }, id];
    }
  }
}

/** generator is a small generator of numbers that always gives the same for a seed. */
function generator(seed: number): () => number {
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
}

test("changes lead to the same rows as reading anew", async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = generator(seed);
    const world = new World();
    for (let i = 0; i < seed * 7; i++) world.rows.push(`M${world.next++}`);
    globalThis.fetch = async (_url, init) => {
      const { methodCalls } = JSON.parse(init!.body as string);
      return new Response(JSON.stringify({ methodResponses: methodCalls.map((c: [string, any, string]) => world.answer(c)) }));
    };
    const list = new List({ inMailbox: "F1" });
    const look = async (from: number) => {
      list.need(from, from + 20);
      await settled();
    };
    await look(0);
    for (let i = 0; i < 12; i++) {
      if (random() < 0.4) await look(Math.floor(random() * Math.max(1, world.rows.length - 20)));
      world.step(random);
      await list.refresh();
      await settled();
      assert.equal(list.total.value, world.rows.length, `seed ${seed}`);
      for (let row = 0; row < world.rows.length; row++) {
        const known = list.at(row);
        if (known !== undefined) assert.equal(known, world.rows[row], `seed ${seed}, row ${row}`);
      }
    }
    list.close();
  }
});

/** settled waits until nothing is on its way. */
async function settled(): Promise<void> {
  for (let i = 0; i < 12; i++) await new Promise((r) => (globalThis as any).setImmediate(r));
}

test("a window that stays open while thousands of emails come keeps those near what is looked at", async () => {
  const world = new World();
  globalThis.fetch = async (_url, init) => {
    const { methodCalls } = JSON.parse(init!.body as string);
    return new Response(JSON.stringify({ methodResponses: methodCalls.map((c: [string, any, string]) => world.answer(c)) }));
  };
  const list = new List({ inMailbox: "F1" });
  list.need(0, 20);
  await settled();
  for (let i = 0; i < 12; i++) {
    world.past.push([...world.rows]);
    for (let n = 0; n < 450; n++) world.rows.unshift(`M${world.next++}`);
    await list.refresh();
    await settled();
  }
  assert.equal(list.total.value, 5400);
  assert.equal(list.at(0), "M5400");
  assert(list.known().length <= 4000, `${list.known().length} rows`);
});
