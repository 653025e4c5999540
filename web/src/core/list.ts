// A list of emails that may have a million rows: it knows how many there are and holds those somebody has looked at.

import { batch, signal } from "@preact/signals";
import { first } from "./first";
import { backOff, call, MethodError, passes, sendCalls, type Found, type Invocation, type QueryChanges } from "./jmap";
import { dropEmails, keep, known, listProperties, onChange } from "./mail";

export const pageSize = 50;

/** mostRows is how many rows are kept; of those far from what is looked at, some are forgotten beyond it. */
const mostRows = 4000;

/** mostRequests is how many pages are asked for at once. The newest wish goes first, so that a scroll bar can be dragged. */
const mostRequests = 2;

export interface Filter {
  [condition: string]: unknown;
}

export interface Sort {
  property: string;
  isAscending?: boolean;
  keyword?: string;
}

export const newestFirst: Sort[] = [{ property: "receivedAt", isAscending: false }];

/** List is one Email/query (RFC 8621 section 4.4) with the rows that are known of it. */
export class List {
  /** total is how many rows there are; undefined until the server told. */
  readonly total = signal<number | undefined>(undefined);
  /** version rises with every change of the rows. */
  readonly version = signal(0);
  /** failed is why the rows could not be had. */
  readonly failed = signal<unknown>(undefined);
  /** open tells that there may be more rows than total. */
  readonly open = signal(false);
  /** described is called with ids whose emails came. */
  described?: (ids: string[]) => void;
  /** gone is called with a row that went elsewhere, with what stands for its conversation now, else for its place. */
  gone?: (id: string, now: string | undefined, place: string | undefined) => void;
  /** scroll is where the reader was in it, in rows. */
  scroll = 0;

  private ids: (string | undefined)[] = [];
  private state = "";
  private exact = true; // the server tells what changes in the list
  private asked = new Set<number>(); // pages on their way
  private old = new Set<number>(); // pages whose rows are shown until they come anew
  private dropped = new Set<string>(); // rows taken away before the server said so
  private epoch = 0; // rises when rows are dropped: answers to earlier questions still have them
  private held = 0;
  private stale = false;
  private asleep = false;
  private looking: [number, number] = [0, pageSize];
  private refreshing: Promise<void> | undefined;
  private failures = 0;
  private later: ReturnType<typeof setTimeout> | undefined;
  private stop: () => void;

  /**
   * A list shows conversations unless collapse is false. One that is not counted, as of words that are searched for, is
   * answered at once; its total grows with the pages that were looked at, and open tells that there may be more.
   */
  constructor(readonly filter: Filter, readonly sort = newestFirst, readonly collapse = true, readonly counted = true, readonly accountId = first?.account.id) {
    this.stop = onChange(() => void this.refresh());
  }

  /** close ends following changes. */
  close(): void {
    this.stop();
    this.sleep(); // what is on its way does not begin anew
    clearTimeout(this.later);
  }

  /** sleep lets the list follow no changes until wake is called. */
  sleep(): void {
    this.asleep = true;
  }

  wake(): void {
    this.asleep = false;
    this.ids.forEach((id, i) => {
      if (id !== undefined && !known(id)) delete this.ids[i]; // another list grew long meanwhile
    });
    if (this.stale) void this.refresh();
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
    const query = responses.find((r) => r[0] === "Email/query");
    if (query) this.put(query[1] as Found);
  }

  /** need sees to it that rows are known. */
  need(from: number, to: number): void {
    this.looking = [from, to];
    this.work();
  }

  /** work asks for the pages that are looked at and not known. */
  private work(): void {
    const [from, to] = this.looking;
    const last = Math.min(to, this.total.peek() ?? pageSize);
    for (let page = Math.floor(from / pageSize); page === 0 || page * pageSize < last; page++) {
      if (this.asked.size >= mostRequests) return;
      if (!this.asked.has(page) && (this.old.has(page) || !this.hasPage(page))) void this.fetch(page);
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
    const epoch = this.epoch;
    let again = true;
    try {
      const query = call("Email/query", this.query({ position: page * pageSize, limit: pageSize, calculateTotal: this.counted }));
      query.catch(() => {}); // what refers to it fails with it
      const described = describe({ accountId: this.accountId, "#ids": query.ref("/ids") }, this.collapse);
      void sendCalls();
      const answers = await described;
      const found = await query;
      if (epoch !== this.epoch) return; // rows went meanwhile: it is asked anew
      if (this.state && found.queryState !== this.state && found.canCalculateChanges && this.held === 0) {
        this.asked.add(page); // until it is known what changed
        again = !this.asleep; // who wakes it asks
        return void (await this.refresh());
      }
      batch(() => {
        keep(answers);
        this.put(found);
        this.old.delete(page);
        this.worked();
      });
      this.described?.(found.ids);
    } catch (error) {
      again = false;
      this.fails(error);
    } finally {
      this.asked.delete(page);
      if (again) this.work();
    }
  }

  private query(more: object): Record<string, unknown> {
    return { accountId: this.accountId, filter: this.filter, sort: this.sort, collapseThreads: this.collapse, ...more };
  }

  private put(answer: Found): void {
    if (this.state && answer.queryState !== this.state) this.forgetRows();
    this.state = answer.queryState;
    this.exact = answer.canCalculateChanges;
    let total: number = answer.total ?? answer.position + answer.ids.length;
    if (answer.total === undefined) {
      const full = answer.ids.length === pageSize;
      if (full) total = Math.max(total + 1, this.total.peek() ?? 0); // the next page is asked for when its first row is looked at
      this.open.value = full || total < (this.total.peek() ?? 0);
      if (answer.ids.length === 0 && answer.position > 0) this.open.value = false;
    }
    this.ids.length = total;
    answer.ids.forEach((id, i) => (this.ids[answer.position + i] = id));
    this.total.value = total;
    this.version.value++;
    this.trim();
  }

  /** refresh asks what changed in the list (RFC 8620 section 5.6). */
  async refresh(): Promise<void> {
    this.stale = true;
    if (this.held > 0 || this.asleep) return;
    return (this.refreshing ??= this.follow());
  }

  private async follow(): Promise<void> {
    try {
      while (this.stale && this.held === 0) {
        this.stale = false;
        await this.catchUp();
      }
    } finally {
      this.refreshing = undefined; // in the same turn: who asks later finds nothing that is over
    }
  }

  private async catchUp(): Promise<void> {
    if (!this.state || !this.exact) return this.reset();
    const epoch = this.epoch;
    try {
      const changes = await call("Email/queryChanges", this.query({ sinceQueryState: this.state, calculateTotal: true, maxChanges: 500 }));
      const unknown = changes.added.map((a) => a.id).filter((id) => !known(id));
      // Rows that came are shown once it is known what they say, so that none is blank for a moment.
      if (unknown.length > 0) keep(await describe({ accountId: this.accountId, ids: unknown }, this.collapse));
      if (epoch !== this.epoch) {
        this.stale = true; // the next answer tells what was dropped, too
        return;
      }
      this.apply(changes);
      this.described?.(changes.added.map((a) => a.id));
    } catch (error) {
      if (error instanceof MethodError) return this.reset();
      this.fails(error); // the line's return comes here again, too
    }
  }

  /** hold keeps the rows as they are until release is called as often, while much is being changed. */
  hold(): void {
    this.held++;
  }

  release(): void {
    if (--this.held === 0 && this.stale) void this.refresh();
  }

  private apply(changes: QueryChanges): void {
    const rows = new Map<string, number>(this.gone ? changes.removed.map((id) => [id, this.ids.indexOf(id)]) : []);
    for (const id of changes.removed) {
      const row = this.ids.indexOf(id);
      if (row >= 0) this.ids.splice(row, 1);
      else if (!this.dropped.has(id) && this.ids.includes(undefined)) return this.reset(); // it was in a row that nobody looked at
    }
    for (const { id, index } of changes.added) {
      const twice = this.ids.indexOf(id);
      if (twice >= 0) this.ids.splice(twice, 1);
      if (index > this.ids.length) this.ids.length = index;
      this.ids.splice(index, 0, id);
    }
    this.dropped.clear();
    this.state = changes.newQueryState;
    this.ids.length = changes.total;
    batch(() => {
      this.total.value = changes.total;
      this.worked();
      this.version.value++;
      for (const { id } of changes.added) rows.delete(id);
      rows.forEach((row, id) => this.gone!(id, this.sameThread(id, changes.added), this.ids[Math.min(row, this.ids.length - 1)]));
    });
    this.work();
    this.trim();
  }

  private sameThread(id: string, added: { id: string }[]): string | undefined {
    const thread = this.collapse && known(id)?.threadId;
    return thread ? added.find((a) => known(a.id)?.threadId === thread)?.id : undefined;
  }

  /** reset asks anew for all rows; those in sight stay until their successors come. */
  private reset(): void {
    this.state = "";
    this.dropped.clear();
    this.forgetRows();
    this.work();
  }

  private forgetRows(): void {
    const from = Math.floor(this.looking[0] / pageSize);
    const to = Math.ceil(Math.max(this.looking[1], 1) / pageSize);
    const ids: (string | undefined)[] = [];
    for (let i = from * pageSize; i < Math.min(to * pageSize, this.ids.length); i++) ids[i] = this.ids[i];
    ids.length = this.ids.length;
    this.ids = ids;
    this.old.clear();
    for (let page = from; page < to; page++) this.old.add(page);
  }

  /** trim forgets rows far from what is looked at, once there are many. */
  private trim(): void {
    let rows = 0;
    this.ids.forEach(() => rows++);
    if (rows <= mostRows) return;
    const [from, to] = this.looking;
    const gone: string[] = [];
    this.ids.forEach((id, i) => {
      if (id === undefined || (i > from - mostRows / 4 && i < to + mostRows / 4)) return;
      gone.push(id);
      delete this.ids[i];
    });
    dropEmails(gone);
  }

  /** drop takes rows away at once, before the server has heard of it; what it answers puts them back, if that did not come true. */
  drop(ids: Iterable<string>): () => void {
    const before = [...this.ids];
    batch(() => {
      for (const id of ids) {
        const row = this.ids.indexOf(id);
        if (row < 0) continue;
        this.ids.splice(row, 1);
        this.dropped.add(id);
        this.total.value = this.ids.length;
      }
      this.epoch++;
      this.version.value++;
    });
    const epoch = this.epoch;
    const state = this.state;
    return () => {
      if (epoch !== this.epoch || state !== this.state) return this.reset();
      this.ids = before;
      this.dropped.clear();
      this.epoch++;
      this.total.value = before.length;
      this.version.value++;
    };
  }

  /** fails notes why rows could not be had, and asks again in a while, where that may help. */
  private fails(error: unknown): void {
    this.failed.value = error;
    clearTimeout(this.later);
    if (passes(error)) this.later = setTimeout(() => this.asleep || this.again(), backOff(++this.failures));
  }

  private worked(): void {
    this.failed.value = undefined;
    this.failures = 0;
    clearTimeout(this.later);
  }

  private again(): void {
    void this.refresh();
    this.work();
  }

  /** retry asks again for what could not be had. */
  retry(): void {
    this.failed.value = undefined;
    this.again();
  }
}

/** describe asks what a list shows of emails and, of conversations, of all emails in them. */
async function describe(which: { accountId?: string; [ids: string]: unknown }, conversations: boolean): Promise<Invocation[]> {
  const { accountId } = which;
  const rows = call("Email/get", { ...which, properties: listProperties });
  if (!conversations) return [["Email/get", await rows, ""]];
  const threads = call("Thread/get", { accountId, "#ids": rows.ref("/list/*/threadId") });
  const others = call("Email/get", { accountId, "#ids": threads.ref("/list/*/emailIds"), properties: listProperties });
  // Conversations may have more emails than can be asked for at once: their rows then show what is known.
  const more = others.then((a): Invocation[] => [["Email/get", a, ""]], (error) => (error instanceof MethodError ? [] : Promise.reject(error)));
  const [r, t, o] = await Promise.all([rows, threads, more]);
  return [["Email/get", r, ""], ["Thread/get", t, ""], ...o];
}
