// This browser as one that is told of new mail while no page is open (RFC 8620 section 7.2, RFC 9749). The settings turn it
// on and off; src/offline sees to it that it stays on.

import { alerts } from "../core/alerts";
import { api, call, refused, send, use } from "../core/jmap";

export interface Subscription {
  id: string;
  deviceClientId: string;
  expires: string;
  verificationCode: string | null;
  notify: Notify | null;
}

export interface Notify {
  mailboxIds: null; // as the account wants it
  preview: boolean;
  quiet?: { from: string; to: string; timeZone: string };
}

/** Unreachable says that the browser's own service for notifications did not take this browser. */
export class Unreachable extends Error {}

const vapid = "urn:ietf:params:jmap:webpush-vapid";
use(vapid);

export const possible = "Notification" in globalThis && "serviceWorker" in navigator && "PushManager" in globalThis;

/** wantedKey is where this browser remembers that it is to be told, and of what: gone when somebody signs out. */
const wantedKey = "postiljon-push";

/** deviceId tells this browser from others of the account. */
function deviceId(): string {
  const key = "postiljon-device";
  let id = localStorage.getItem(key);
  if (!id) localStorage.setItem(key, (id = crypto.randomUUID()));
  return id;
}

export const isMine = (s: Subscription): boolean => s.deviceClientId.startsWith(deviceId());

/** Device is one that is told, of whichever session. */
interface Device {
  id: string;
  browser: string;
  name: string;
  since: string;
  proven: boolean;
}

export const isHere = (d: Device): boolean => d.browser === deviceId();

export const devices = (): Promise<Device[]> => api<{ devices: Device[] }>("GET", "/api/alerts/devices").then((a) => a.devices);

/** switchOff ends that another device is told. */
export const switchOff = (d: Device): Promise<unknown> => api("DELETE", `/api/alerts/devices/${d.id}`);

/** subscriptions are those of this session. */
export const subscriptions = (): Promise<Subscription[]> => call<Subscription>("PushSubscription/get", { ids: null }).then((a) => a.list);

/** subscribe makes this browser one that is told; the worker's first message proves that it is heard. It rejects with Unreachable, or as call does. */
export async function subscribe(notify: Notify = { mailboxIds: null, preview: true }): Promise<void> {
  const session = await (await send("/jmap/session")).json();
  const registration = await navigator.serviceWorker.ready;
  let subscription: PushSubscription;
  try {
    subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: session.capabilities[vapid].applicationServerKey });
  } catch (cause) {
    throw new Unreachable("no push service", { cause });
  }
  const { endpoint, keys } = subscription.toJSON();
  const answer = await call("PushSubscription/set", {
    create: { n: { deviceClientId: `${deviceId()}|${nameOfBrowser()}`, url: endpoint, keys, types: ["EmailDelivery"], notify } },
  });
  const error = refused(answer);
  if (error) {
    await subscription.unsubscribe();
    throw error;
  }
  localStorage.setItem(wantedKey, JSON.stringify(notify));
  const { off = [], ...rest } = alerts.peek();
  if (off.includes(deviceId())) alerts.value = await api("PUT", "/api/alerts", { ...rest, off: off.filter((d) => d !== deviceId()) });
}

export async function unsubscribe(s: Subscription): Promise<void> {
  await call("PushSubscription/set", { destroy: [s.id] });
  if (isMine(s)) await forget();
}

async function forget(): Promise<void> {
  localStorage.removeItem(wantedKey);
  await unsubscribeHere();
}

async function unsubscribeHere(): Promise<void> {
  const registration = await navigator.serviceWorker?.getRegistration("/");
  await (await registration?.pushManager?.getSubscription())?.unsubscribe();
}

/** forgetOther takes away what another account was told of in this browser, and how. */
export async function forgetOther(): Promise<void> {
  localStorage.removeItem(wantedKey);
  await unsubscribeHere();
  for (const shown of (await (await navigator.serviceWorker?.getRegistration("/"))?.getNotifications?.()) ?? []) shown.close();
  await (await caches.open("pages")).delete("/push-preferences");
}

/** change sets what this browser is told of. */
export async function change(s: Subscription, notify: Notify): Promise<void> {
  await call("PushSubscription/set", { update: { [s.id]: { notify } } });
  if (isMine(s)) localStorage.setItem(wantedKey, JSON.stringify(notify));
}

/** margin is how long before its end a subscription is given more time; milliseconds. */
const margin = 20 * 86400e3;

/** renew keeps a browser that is to be told one that is: subscriptions end after a month, and with the session they were made in. */
export async function renew(): Promise<void> {
  const wanted = localStorage.getItem(wantedKey);
  if (!possible || !wanted || Notification.permission !== "granted") return;
  if (alerts.peek().off?.includes(deviceId())) return forget(); // switched off from another
  const here = await (await navigator.serviceWorker.ready).pushManager.getSubscription();
  const mine = (await subscriptions()).find(isMine);
  if (mine && !here) { // the browser forgot it, as where it was set up anew
    await call("PushSubscription/set", { destroy: [mine.id] });
    return subscribe(JSON.parse(wanted));
  }
  if (!mine) {
    await unsubscribeHere(); // the server forgets what the push service no longer knows, which gives that one again
    await subscribe(JSON.parse(wanted));
  }
  else if (Date.parse(mine.expires) - Date.now() < margin) await call("PushSubscription/set", { update: { [mine.id]: { expires: null } } });
}

/** renewed is renew after the push service gave this browser another address: what the server knows leads nowhere any more. */
async function renewed(): Promise<void> {
  const mine = (await subscriptions()).find(isMine);
  if (mine) await call("PushSubscription/set", { destroy: [mine.id] });
  await renew();
}

/** confirmed tells the server the code that the worker was sent, now or before this page was open; it answers what stops it. */
export function confirmed(done: () => void = () => {}): () => void {
  const verify = async (told: { pushSubscriptionId: string; verificationCode: string }) => {
    await call("PushSubscription/set", { update: { [told.pushSubscriptionId]: { verificationCode: told.verificationCode } } });
    await (await caches.open("pages")).delete("/push-verification");
    done();
  };
  const heard = (e: MessageEvent) => {
    if (e.data?.verify) void verify(e.data.verify).catch(() => {});
    if (e.data?.renew) void renewed().catch(() => {});
  };
  navigator.serviceWorker?.addEventListener("message", heard);
  void globalThis.caches?.open("pages")
    .then(async (cache) => (await cache.match("/push-verification"))?.json())
    .then((told) => told && verify(told))
    .catch(() => {}); // it was confirmed, or is no longer there
  return () => navigator.serviceWorker?.removeEventListener("message", heard);
}

function nameOfBrowser(): string {
  const agent = navigator.userAgent;
  const browser = /Edg|OPR|Firefox|Chrome|Safari/.exec(agent)?.[0] ?? "";
  const system = /Android|iPhone|iPad|Windows|Mac OS|Linux/.exec(agent)?.[0] ?? "";
  return [{ Edg: "Edge", OPR: "Opera" }[browser] ?? browser, system.replace("Mac OS", "Mac")].filter(Boolean).join(", ");
}
