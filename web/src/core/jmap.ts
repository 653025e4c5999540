// The client of JMAP (RFC 8620): calls that are made in the same turn travel in one request, and may refer to each
// other's results.

import { signal, untracked } from "@preact/signals";
import { first } from "./first";
import { answerOffline, heldBack } from "./standin";

export type Invocation = [name: string, args: object, id: string];

/** Detail is what an error tells beside its type. */
interface Detail {
  description?: string;
  /** why says it in words (RFC 8620 knows no such thing). */
  why?: Why;
  /** status is that of a response of HTTP. */
  status?: number;
  /** recipients are those who are the reason, by address. */
  recipients?: Record<string, Why>;
  traceId?: string;
  /** notFound are blobs, properties names of properties that are the reason. */
  notFound?: string[];
  properties?: string[];
  [more: string]: unknown;
}

/** Why is a refusal in words. */
interface Why {
  cause: string;
  title: string;
  text: string;
  action?: string;
  suggestion?: string; // what may be meant instead
}

/** MethodError is the error of a call or of one object of a set (RFC 8620 sections 3.6.2 and 5.3). */
export class MethodError extends Error {
  constructor(readonly type: string, readonly detail: Detail = {}) {
    super(detail.why?.text ?? detail.description ?? type);
  }
}

/** LineError says that the server was not reached; what was asked may or may not have been done. */
export class LineError extends Error {}

/** SessionError says that the session is over: somebody has to sign in again. */
export class SessionError extends Error {}

export const online = signal(navigator.onLine);
/** sessionOver tells that somebody has to sign in again; in words why, where that is known. */
export const sessionOver = signal<boolean | string>(false);
addEventListener("online", () => (online.value = true));
addEventListener("offline", () => (online.value = false));

const using = [
  "urn:ietf:params:jmap:core",
  "urn:ietf:params:jmap:mail",
];

/** use adds capabilities that a part of the program needs. */
export function use(...capabilities: string[]): void {
  for (const c of capabilities) if (!using.includes(c)) using.push(c);
}

interface Waiting {
  call: Invocation;
  resolve: (answer: object) => void;
  reject: (error: unknown) => void;
}

let waiting: Waiting[] = [];
let next = 0;

/** Pending is a call on its way; later calls of the same turn may refer to its result with ref. */
interface Pending<T> extends Promise<T> {
  ref(path: string): { resultOf: string; name: string; path: string };
}

/** accountOf is the account that something lies in: ids of what others share have its number in them. */
export function accountOf(id = ""): string {
  const number = /^[FMT](\d+)-/.exec(id)?.[1];
  return number ? `a${number}` : first.account.id;
}

/** of names the account that something lies in, for a call. */
export const of = (id?: string): { accountId: string } => ({ accountId: accountOf(id) });

/** ofNoAccount are methods that belong to whoever is signed in (RFC 8620 section 7.2). */
const ofNoAccount = /^(Core|PushSubscription)\//;

/** Got is the answer of a method that gets objects (RFC 8620 section 5.1). */
export interface Got<T> {
  accountId: string;
  state: string;
  list: T[];
  notFound: string[];
}

/** Changes is the answer of one that tells what changed (RFC 8620 section 5.2). */
export interface Changes {
  newState: string;
  hasMoreChanges: boolean;
  created: string[];
  updated: string[];
  destroyed: string[];
}

/** Refusal is why one object of a set was not taken (RFC 8620 section 5.3). */
type Refusal = Detail & { type: string };

/** Made is the answer of a method that sets objects (RFC 8620 section 5.3), or copies them; T is what it tells of one that it created. */
export interface Made<T = { id: string }> {
  created?: Record<string, T> | null;
  updated?: Record<string, unknown> | null;
  destroyed?: string[] | null;
  notCreated?: Record<string, Refusal> | null;
  notUpdated?: Record<string, Refusal> | null;
  notDestroyed?: Record<string, Refusal> | null;
}

/** Found is the answer of one that looks for objects (RFC 8620 section 5.5). */
export interface Found {
  queryState: string;
  canCalculateChanges: boolean;
  position: number;
  ids: string[];
  total?: number;
}

/** QueryChanges is the answer of one that tells what changed among them (RFC 8620 section 5.6). */
export interface QueryChanges {
  newQueryState: string;
  total: number;
  removed: string[];
  added: { id: string; index: number }[];
}

const failed = (why: Refusal): MethodError => new MethodError(why.type, why);

/** refused is why something of a set was not done, if that is so. */
export function refused({ notCreated, notUpdated, notDestroyed }: Made): MethodError | undefined {
  const why = Object.values({ ...notCreated, ...notUpdated, ...notDestroyed })[0];
  return why && failed(why);
}

type Args = Record<string, unknown>;

/** call makes a method call; accountId is added. It rejects with MethodError, LineError or SessionError. */
export function call(name: `${"Email" | "Mailbox" | "Thread"}/changes`, args: Args): Pending<Changes>;
export function call(name: "Email/query" | "EmailSubmission/query", args: Args): Pending<Found>;
export function call(name: "Email/queryChanges", args: Args): Pending<QueryChanges>;
export function call<T>(name: "Limits/get", args: Args): Pending<T>;
export function call<T = { id: string }>(name: `${string}/set` | "Email/copy", args: Args): Pending<Made<T>>;
export function call<T>(name: `${string}/get`, args: Args): Pending<Got<T>>;
export function call<T>(name: string, args?: Args): Pending<T>;
export function call<T>(name: string, args: Args = {}): Pending<T> {
  const id = `c${next++}`;
  const promise = new Promise<T>((resolve, reject) => {
    if (waiting.length === 0) queueMicrotask(sendCalls);
    waiting.push({ call: [name, ofNoAccount.test(name) ? args : { accountId: first.account.id, ...args }, id], resolve: (answer) => resolve(answer as T), reject });
  });
  return Object.assign(promise, { ref: (path: string) => ({ resultOf: id, name, path }) });
}

/** maxCalls is fewer than maxCallsInRequest of the server. */
const maxCalls = 32;

/** sendCalls sends what waits now, for who does not want to wait until the page has been drawn. */
export async function sendCalls(): Promise<void> {
  const all = waiting;
  waiting = [];
  for (let at = 0; at < all.length; at += maxCalls) {
    const some = all.slice(at, at + maxCalls);
    const calls = some.map((w) => w.call);
    try {
      settle(some, (heldBack(calls) && (await answerOffline(calls))) || (await request(calls)));
    } catch (error) {
      const kept = error instanceof LineError ? await answerOffline(calls).catch(() => undefined) : undefined;
      if (kept) settle(some, kept);
      else for (const w of some) w.reject(error);
    }
  }
}

/** settle hands responses to those who wait for them. */
function settle(calls: Waiting[], responses: Invocation[]): void {
  for (const w of calls) {
    const mine = responses.filter((r) => r[2] === w.call[2]);
    const answer = mine.find((r) => r[0] === w.call[0]) ?? mine[0];
    if (!answer) w.reject(new MethodError("serverFail"));
    else if (answer[0] === "error") w.reject(failed(answer[1] as Refusal));
    else w.resolve(answer[1]);
  }
}

/** patience is how long an answer may take, in milliseconds; mostTries how often it is asked for what the server did not begin, as it had too much to do at once. */
const patience = 60e3;
const mostTries = 6;

async function request(methodCalls: Invocation[]): Promise<Invocation[]> {
  for (let tries = 1; ; tries++) {
    const response = await send("/jmap/api", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ using, methodCalls }),
      signal: AbortSignal.timeout(patience),
    });
    if (response.ok) {
      return (await response.json().catch((cause) => {
        throw new LineError("cut", { cause });
      })).methodResponses;
    }
    if (response.status !== 429 || tries === mostTries) throw await problem(response);
    await new Promise((again) => setTimeout(again, (1 + Math.random()) * 100 * 2 ** tries));
  }
}

/** passes tells of an error whether it may be otherwise in a while, by itself. */
export const passes = (error: unknown): boolean => error instanceof LineError || (error instanceof MethodError && ((error.detail.status ?? 0) >= 429 || error.type.startsWith("server")));

/** backOff is how long to wait after some failures, in milliseconds. */
export const backOff = (failures: number): number => Math.min(60e3, 1000 * 2 ** failures);

/** send is fetch with the session's token; it tells a line that is down from a session that is over. */
export async function send(url: string, init: RequestInit = {}): Promise<Response> {
  const token = first.csrf;
  let response: Response;
  try {
    response = await fetch(url, { ...init, headers: { "X-CSRF-Token": first.csrf, "Accept-Language": first.lang, ...init.headers } });
  } catch (cause) {
    online.value = false;
    throw new LineError("no line", { cause });
  }
  online.value = true;
  if (response.status !== 401) return response;
  if (url !== sessionURL && (await renewed(token))) return send(url, init);
  sessionOver.value ||= true;
  throw new SessionError("signed out");
}

const sessionURL = "/api/session";

/** renewed tells whether there is another session by now: somebody signed in anew in another window, or the page is a kept one. */
async function renewed(token = ""): Promise<boolean> {
  const now = await (await send(sessionURL)).json();
  if (now.account !== first.account.id) {
    if (now.text) sessionOver.value = `${now.text} ${now.action}`;
    return false;
  }
  first.csrf = now.csrf;
  sessionOver.value = false;
  return now.csrf !== token;
}

/** problem is the error that a response tells of (RFC 7807, or the cause of a refusal). */
export async function problem(response: Response): Promise<MethodError> {
  const told = await response.json().catch(() => ({}));
  return new MethodError(told.cause ?? told.type ?? String(response.status), { ...told, description: told.text ?? told.detail ?? told.title, status: response.status });
}

/** api asks one of the small JSON calls beside JMAP; it rejects as call does. */
export async function api<T>(method: string, path: string, body?: unknown): Promise<T> {
  const response = await send(path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
  });
  if (!response.ok) throw await problem(response);
  return response.status === 204 ? (undefined as T) : response.json();
}

/** upload stores a blob for the account and answers its id. */
export async function upload(data: Blob): Promise<{ blobId: string; type: string; size: number }> {
  const response = await send(`/jmap/upload/${first.account.id}/`, { method: "POST", body: data, headers: { "Content-Type": data.type || "application/octet-stream" } });
  if (!response.ok) throw await problem(response);
  return response.json();
}

/** silence is how long nothing may be heard of the server, which says every minute that it is there; milliseconds. */
const silence = 150e3;

/** listen calls changed with the new states, by account and type, whenever something changes, until it is told to stop. */
export function listen(changed: (states: Record<string, Record<string, string>>) => void): () => void {
  let source: EventSource | undefined;
  let again: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  let heard = 0;
  const hear = () => (heard = Date.now());
  const open = () => {
    clearTimeout(again);
    source?.close();
    hear();
    source = new EventSource("/jmap/events?types=*&closeafter=no&ping=60");
    source.addEventListener("ping", hear);
    source.addEventListener("state", (e) => changed(JSON.parse((e as MessageEvent).data).changed ?? {}));
    source.onopen = () => {
      hear();
      failures = 0;
      online.value = true;
      changed({}); // what happened while nobody listened
    };
    source.onerror = () => {
      if (source!.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      if (sessionOver.value) return;
      void send(sessionURL).then((r) => r.status === 403 && renewed()).catch(() => {}); // says whether the line is down or the session over
      again = setTimeout(open, backOff(failures++));
    };
  };
  const openClosed = () => source?.readyState === EventSource.CLOSED && open();
  open();
  // A line may be dead without anybody saying so: after a night in a bag, or behind a router that forgot it.
  const watch = setInterval(() => Date.now() - heard > silence && source?.readyState !== EventSource.CLOSED && open(), 30e3);
  const stops = [watchSession(openClosed), watchLine(() => {
    changed({});
    openClosed();
  })];
  return () => {
    for (const stop of stops) stop();
    clearInterval(watch);
    clearTimeout(again);
    source?.close();
  };
}

/** watchLine looks for a line that is down, as a stream may outlive what a request did not, and calls back once it is there again. */
function watchLine(back: () => void): () => void {
  let failures = 0;
  let next: ReturnType<typeof setTimeout> | undefined;
  let was = true;
  const probe = () => void send(sessionURL).catch(() => (next = setTimeout(probe, backOff(++failures))));
  const stop = online.subscribe((there) => untracked(() => {
    clearTimeout(next);
    if (there && !was) back();
    if (!there) next = setTimeout(probe, backOff((failures = 0)));
    was = there;
  }));
  return () => {
    stop();
    clearTimeout(next);
  };
}

/** watchSession calls back while nobody has to sign in: whoever comes back to a window may have done so in another one. */
function watchSession(back: () => void): () => void {
  const seen = () => sessionOver.peek() && void renewed().catch(() => {}); // looked at again the next time
  addEventListener("focus", seen);
  const stop = sessionOver.subscribe((over) => {
    if (!over) untracked(back);
  });
  return () => {
    stop();
    removeEventListener("focus", seen);
  };
}
