// A list of emails that may have a million rows: it knows how many there are and holds those somebody has looked at.

import { signal } from "@preact/signals";
import { call, MethodError, type Invocation } from "./jmap";
import { keep, listProperties, onChange } from "./mail";

export const pageSize = 50;

export interface Filter {
  [condition: string]: unknown;
}

export interface Sort {
  property: string;
  isAscending?: boolean;
  keyword?: string;
}

const newestFirst: Sort[] = [{ property: "receivedAt", isAscending: false }];

/** List is one Email/query (RFC 8621 section 4.4) with the rows that are known of it. */
export class List {
  /** total is how many rows there are; undefined until the server told. */
  readonly total = signal<number | undefined>(undefined);
  /** version rises with every change of the rows. */
  readonly version = signal(0);
  /** failed is why the rows could not be had. */
  readonly failed = signal<unknown>(undefined);

  private ids: (string | undefined)[] = [];
  private state = "";
  private asked = new Set<number>(); // pages on their way
  private dropped = new Set<string>(); // rows taken away before the server said so
  private seen: [number, number] = [0, pageSize];
  private stop: () => void;

  /** A list shows conversations unless collapse is false. */
  constructor(readonly filter: Filter, readonly sort = newestFirst, readonly collapse = true) {
    this.stop = onChange(() => void this.refresh());
  }

  /** close ends following changes. */
  close(): void {
    this.stop();
  }

  /** at is the id of the email in a row; undefined if it is not known yet. */
  at(row: number): string | undefined {
    return this.ids[row];
  }

  /** indexOf is the row of an email that is known, or -1. */
  indexOf(id: string): number {
    return this.ids.indexOf(id);
  }

  /** known are the ids of all rows that are known, in order. */
  known(): string[] {
    return this.ids.filter((id) => id !== undefined);
  }

  /** begin fills the list with what the server sent along with the page. */
  begin(responses: Invocation[]): void {
    const query = responses.find((r) => r[0] === "Email/query")?.[1];
    if (query) this.put(query);
  }

  /** need sees to it that rows are known. */
  need(from: number, to: number): void {
    this.seen = [from, to];
    const last = Math.min(to, this.total.peek() ?? pageSize);
    for (let page = Math.floor(from / pageSize); page * pageSize < last || page === 0; page++) {
      if (!this.hasPage(page) && !this.asked.has(page)) void this.fetch(page);
      if ((page + 1) * pageSize >= last) break;
    }
  }

  private hasPage(page: number): boolean {
    const total = this.total.peek();
    if (total === undefined) return false;
    for (let i = page * pageSize; i < Math.min((page + 1) * pageSize, total); i++) if (this.ids[i] === undefined) return false;
    return true;
  }

  private async fetch(page: number): Promise<void> {
    this.asked.add(page);
    try {
      const query = call("Email/query", this.query({ position: page * pageSize, limit: pageSize, calculateTotal: true }));
      const rows = call("Email/get", { "#ids": query.ref("/ids"), properties: listProperties });
      const all: Promise<Invocation>[] = [rows.then((a) => ["Email/get", a, ""])];
      if (this.collapse) {
        const threads = call("Thread/get", { "#ids": rows.ref("/list/*/threadId") });
        const others = call("Email/get", { "#ids": threads.ref("/list/*/emailIds"), properties: listProperties });
        all.push(threads.then((a) => ["Thread/get", a, ""]), others.then((a): Invocation => ["Email/get", a, ""]).catch(() => ["none", {}, ""]));
      }
      keep(await Promise.all(all));
      this.put(await query);
      this.failed.value = undefined;
    } catch (error) {
      this.failed.value = error;
    } finally {
      this.asked.delete(page);
    }
  }

  private query(more: object): object {
    return { filter: this.filter, sort: this.sort, collapseThreads: this.collapse, ...more };
  }

  private put(answer: any): void {
    if (this.state && answer.queryState !== this.state) {
      // The page shows the list as it is later: the rows that are known first catch up, and the page is asked for again.
      void this.refresh().then(() => this.need(...this.seen));
      return;
    }
    this.state = answer.queryState;
    this.ids.length = answer.total;
    answer.ids.forEach((id: string, i: number) => (this.ids[answer.position + i] = id));
    this.total.value = answer.total;
    this.version.value++;
  }

  /** refresh asks what changed in the list (RFC 8620 section 5.6). */
  async refresh(): Promise<void> {
    if (!this.state) return this.reset();
    try {
      const changes = await call("Email/queryChanges", this.query({ sinceQueryState: this.state, calculateTotal: true, maxChanges: 500 }));
      this.apply(changes);
    } catch (error) {
      if (error instanceof MethodError) this.reset();
      else this.failed.value = error;
    }
  }

  private apply(changes: any): void {
    const added = new Set<string>(changes.added.map((a: any) => a.id));
    for (const id of changes.removed as string[]) {
      const row = this.ids.indexOf(id);
      if (row >= 0) this.ids.splice(row, 1);
      else if (!this.dropped.has(id) && !added.has(id)) return this.reset(); // it was in a row that nobody looked at
      this.dropped.delete(id);
    }
    for (const { id, index } of changes.added) {
      if (index > this.ids.length) this.ids.length = index;
      this.ids.splice(index, 0, id);
    }
    this.state = changes.newQueryState;
    this.ids.length = changes.total;
    this.total.value = changes.total;
    this.version.value++;
    this.need(...this.seen);
    this.describe(changes.added.map((a: any) => a.id));
  }

  /** describe asks what rows that came show. */
  private describe(ids: string[]): void {
    if (ids.length === 0) return;
    const rows = call("Email/get", { ids, properties: listProperties });
    const threads = call("Thread/get", { "#ids": rows.ref("/list/*/threadId") });
    const others = call("Email/get", { "#ids": threads.ref("/list/*/emailIds"), properties: listProperties });
    Promise.all([rows, threads, others])
      .then(([r, t, o]) => keep([["Email/get", r, ""], ["Thread/get", t, ""], ["Email/get", o, ""]]))
      .catch((error) => (this.failed.value = error));
  }

  /** reset drops the rows and asks anew for those somebody looks at; until they come, the old ones stay. */
  private reset(): void {
    const [from, to] = this.seen;
    this.state = "";
    this.dropped.clear();
    const first = Math.floor(from / pageSize);
    const pages = Math.max(1, Math.ceil(to / pageSize));
    const old = this.ids;
    this.ids = [];
    for (let i = first * pageSize; i < Math.min(pages * pageSize, old.length); i++) this.ids[i] = old[i];
    this.ids.length = old.length;
    for (let page = first; page < pages; page++) if (!this.asked.has(page)) void this.fetch(page);
  }

  /** drop takes rows away at once, before the server has heard of it. */
  drop(ids: string[]): void {
    for (const id of ids) {
      const row = this.ids.indexOf(id);
      if (row < 0) continue;
      this.ids.splice(row, 1);
      this.dropped.add(id);
      this.total.value = this.ids.length;
    }
    this.version.value++;
  }
}
