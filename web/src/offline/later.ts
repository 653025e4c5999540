// What somebody does with messages while there is no line: it is noted in the browser, holds for what is read from there, and
// is carried out when the line is back, in its order.

import type { Patch } from "../core/actions";
import { backOff, call, MethodError, online, passes, type Invocation } from "../core/jmap";
import { keep, listProperties, mailboxes, type Mailbox } from "../core/mail";
import { changesWaiting } from "../core/standin";
import { t } from "../core/text";
import { toast } from "../ui/toast";
import type { Kept } from "./database";
import type { Full } from "./matches";

type Update = Record<string, Patch>;

/** Change is what Email/set was asked to do in an account. */
export interface Change {
  accountId: string;
  update: Update;
}

/** most is how many emails one request changes; fewer than maxObjectsInSet of the server. */
const most = 250;

export class Later {
  /** ids are the emails that changes wait for. */
  private ids = new Set<string>();
  /** carried are updates on their way to the server, which are not noted again. */
  private carried = new WeakSet<Update>();
  private failures = 0;
  private again: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly database: Kept, private readonly account: string) {}

  /** begin carries out what was left, and from now on what is noted. */
  async begin(): Promise<void> {
    await this.recall();
    online.subscribe((there) => there && void this.recall().then(() => this.work(), () => {}));
  }

  /** takes tells whether arguments of Email/set can wait: they give or take away keywords and mailboxes, and nothing else. */
  takes(args: object): args is Change {
    return Object.keys(args).sort().join() === "accountId,update" && !this.carried.has((args as Change).update) &&
      Object.values((args as Change).update).every((patch) => Object.keys(patch).every((path) => /^(?:keywords|mailboxIds)\//.test(path)));
  }

  /** holds tells whether changes wait for what a call changes: then it waits behind them. */
  holds([name, args]: Invocation): boolean {
    return name === "Email/set" && this.ids.size > 0 && this.takes(args) && Object.keys(args.update).some((id) => this.ids.has(id));
  }

  /** take notes a change, and answers as the server would. */
  async take({ accountId, update }: Change): Promise<object> {
    await this.database.add("changes", { accountId, update });
    await this.recall();
    const ids = Object.keys(update);
    const all = await this.database.all<Full>("emails");
    const before = unread(all);
    const changed = all.filter((e) => ids.includes(e.id)).map((e) => patched(e, update[e.id]!));
    await this.database.putAll("emails", changed);
    if (accountId === this.account) await this.recount(before, unread(all.map((e) => changed.find((c) => c.id === e.id) ?? e)));
    if (online.peek()) this.work();
    return { accountId, oldState: null, newState: "offline", updated: Object.fromEntries(ids.map((id) => [id, null])), notUpdated: null };
  }

  /** recount makes the numbers beside the folders true, as far as kept emails changed them. */
  private async recount(before: Map<string, Set<string>>, after: Map<string, Set<string>>): Promise<void> {
    const list = mailboxes.peek().map((m): Mailbox => {
      const more = (after.get(m.id)?.size ?? 0) - (before.get(m.id)?.size ?? 0);
      return more ? { ...m, unreadThreads: Math.max(0, m.unreadThreads + more) } : m;
    });
    mailboxes.value = list;
    await this.database.put("state", `mailboxes-${this.account}`, list);
  }

  /** recall counts what is noted, here or in another window, which may be gone. */
  private async recall(): Promise<void> {
    this.ids = new Set((await this.database.all<Change>("changes")).flatMap((c) => Object.keys(c.update)));
    changesWaiting.value = this.ids.size;
  }

  private work(): void {
    clearTimeout(this.again);
    if (this.ids.size === 0) return;
    this.carryOut().then(
      () => (this.failures = 0),
      () => (this.again = setTimeout(() => online.peek() && this.work(), backOff(++this.failures))), // the line's return may come sooner
    );
  }

  /** carryOut hands in what is noted, one window of the browser at a time. */
  private async carryOut(): Promise<void> {
    await navigator.locks.request(`postiljon-changes-${this.account}`, async () => {
      const keys = await this.database.keys<IDBValidKey>("changes");
      const changes = await this.database.all<Change>("changes");
      if (keys.length !== changes.length) throw new Error("something was noted meanwhile");
      for (const [accountId, update] of together(changes)) {
        const all = Object.entries(update);
        for (let at = 0; at < all.length; at += most) await this.handIn(accountId, Object.fromEntries(all.slice(at, at + most)));
      }
      await this.database.deleteAll("changes", keys);
      await this.recall();
    });
    if (this.ids.size > 0) this.work(); // what was noted meanwhile
  }

  /** handIn changes emails at the server. What may be otherwise in a while rejects; what cannot be done is told, and given up. */
  private async handIn(accountId: string, update: Update): Promise<void> {
    try {
      const stayed = await this.dropMoved(accountId, update);
      this.carried.add(update);
      const { notUpdated } = await call("Email/set", { accountId, update });
      const errors = Object.values(notUpdated ?? {}).filter((e) => e.type !== "notFound"); // what is gone needs no change
      if (errors[0]) toast(t("later_refused", { n: errors.length, reason: new MethodError(errors[0].type, errors[0]).message }), { kind: "error" });
      else if (stayed) toast(t("later_stayed", { n: stayed }));
      if (errors.length || stayed) keep([["Email/get", await call("Email/get", { accountId, ids: Object.keys(update), properties: listProperties }), ""]]);
    } catch (error) {
      if (!(error instanceof MethodError) || passes(error)) throw error;
      toast(t("later_refused", { n: Object.keys(update).length, reason: error.message }), { kind: "error" });
    }
  }

  /** dropMoved leaves emails where another program put them meanwhile, and answers how many: they are not where they were taken from. */
  private async dropMoved(accountId: string, update: Update): Promise<number> {
    const moves = Object.entries(update).filter(([, patch]) => taken(patch).length > 0);
    if (moves.length === 0) return 0;
    const { list } = await call<Pick<Full, "id" | "mailboxIds">>("Email/get", { accountId, ids: moves.map(([id]) => id), properties: ["id", "mailboxIds"] });
    const now = new Map(list.map((e) => [e.id, e.mailboxIds]));
    let stayed = 0;
    for (const [id, patch] of moves) {
      const there = now.get(id);
      if (!there || taken(patch).some((m) => there[m])) continue;
      if (Object.entries(patch).some(([path, on]) => on && path.startsWith(inMailbox) && !there[path.slice(inMailbox.length)])) stayed++;
      for (const path of Object.keys(patch)) if (path.startsWith(inMailbox)) delete patch[path];
    }
    return stayed;
  }
}

const inMailbox = "mailboxIds/";

/** taken are the mailboxes that a patch takes an email out of. */
const taken = (patch: Patch): string[] => Object.keys(patch).filter((p) => p.startsWith(inMailbox) && !patch[p]).map((p) => p.slice(inMailbox.length));

/** together is what changes come to, by account: of what was done to the same thing twice, the latter. */
export function together(changes: Change[]): Map<string, Update> {
  const all = new Map<string, Update>();
  for (const { accountId, update } of changes) {
    const whole = all.get(accountId) ?? {};
    for (const [id, patch] of Object.entries(update)) whole[id] = { ...whole[id], ...patch };
    all.set(accountId, whole);
  }
  return all;
}

function patched(e: Full, patch: Patch): Full {
  const after = { ...e, keywords: { ...e.keywords }, mailboxIds: { ...e.mailboxIds } };
  for (const [path, on] of Object.entries(patch)) {
    const [property, key] = path.split("/") as ["keywords" | "mailboxIds", string];
    if (on) after[property][key] = true;
    else delete after[property][key];
  }
  return after;
}

/** unread are the conversations with something unread among emails, by mailbox. */
function unread(emails: Full[]): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const e of emails) {
    if (e.keywords.$seen) continue;
    for (const m of Object.keys(e.mailboxIds)) found.set(m, (found.get(m) ?? new Set()).add(e.threadId));
  }
  return found;
}
