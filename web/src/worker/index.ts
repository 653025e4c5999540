// The service worker: the program itself without a line, messages that were kept to be read without one, and
// notifications. What pages ask of the server goes to the server whenever it can be reached.

/// <reference lib="webworker" />
import { noticesOf, usual, type Notice } from "./notice";

declare const self: ServiceWorkerGlobalScope;

/** version is that of the program whose files are kept (/sw.js?v=). */
const version = new URL(self.location.href).searchParams.get("v") ?? "";
const program = `program-${version}`;

/** bodies are texts and files of messages, by their address without what the look of a page adds; src/offline fills it. */
const bodies = "bodies";
const pages = "pages";

/** shell is where the page of the program is kept, whatever its address. */
const shell = "/mail/";

/** patience is how long a page waits for the server before the kept one is shown; milliseconds. */
const patience = 4000;

/** FILES are the names of all files of the program; web/build writes them here. */
declare const FILES: string[];

/** Router is that of browsers that can be told what need not come here (the ServiceWorker static routing API). */
interface Router {
  addRoutes?(rules: { condition: { urlPattern: { pathname: string } }; source: "network" | { cacheName: string } }[]): Promise<void>;
}

self.addEventListener("install", (e) => {
  const route = (pathname: string, source: "network" | { cacheName: string }) => ({ condition: { urlPattern: { pathname } }, source });
  // A browser without them asks the worker, which takes it a little longer.
  void (e as Router).addRoutes?.([route("/jmap/*", "network"), route("/api/*", "network"), route("/assets/*", "network"), route("/m/:id/about", "network"), route("/ui/*", { cacheName: program })])
    .catch(() => {});
  e.waitUntil((async () => {
    const cache = await caches.open(program);
    // A part that is missing is no reason to do without the others.
    await Promise.allSettled(FILES.map((f) => cache.add(`/ui/${version}/${f}`)));
    await self.skipWaiting();
  })());
});

self.addEventListener("activate", (e) => {
  e.waitUntil((async () => {
    // Windows of the version before may be open, and go on with its files.
    const older = (await caches.keys()).filter((name) => name.startsWith("program-") && name !== program);
    for (const name of older.slice(0, -1)) await caches.delete(name);
    await self.registration.navigationPreload?.enable(); // pages are asked for while the worker wakes up
    await self.clients.claim();
    if ((await self.clients.matchAll()).length > 0) await keep(await fetch(shell)); // the page that began it all did not come this way
  })());
});

/** keep keeps a page if it is the program, which it says of itself: who is not signed in is led elsewhere. */
async function keep(response: Response): Promise<void> {
  if (response.ok && !response.redirected && response.headers.has("X-Postiljon-Shell")) await (await caches.open(pages)).put(shell, response);
}

self.addEventListener("fetch", (e) => {
  const url = new URL(e.request.url);
  if (e.request.method !== "GET" || url.origin !== self.location.origin) return;
  if (url.pathname.startsWith("/ui/")) e.respondWith(keptFirst(e.request));
  else if (e.request.mode === "navigate" && /^\/(mail|settings)(\/|$)/.test(url.pathname)) e.respondWith(page(e));
  else if (/^\/m\/M[\d-]+\/(?:body$|part\/|preview\/)/.test(url.pathname)) e.respondWith(ofMessage(e, url));
  else if (e.request.mode === "navigate") e.respondWith(fetched(e)); // it is asked for already: of a worker that does not answer, twice
});

/** keptFirst answers with the kept file: its address changes with its content. */
async function keptFirst(request: Request): Promise<Response> {
  return (await caches.match(request.url)) ?? fetch(request);
}

/** fetched is the answer of the server, which may be on its way already. */
const fetched = async (e: FetchEvent): Promise<Response> => ((await e.preloadResponse) as Response | undefined) ?? fetch(e.request);

/** page answers with the page of the server, and without it with the last one that came from there. */
async function page(e: FetchEvent): Promise<Response> {
  const kept = async () => (await caches.open(pages)).match(shell);
  const asked = fetched(e).then((response) => {
    e.waitUntil(keep(response.clone()));
    return response;
  });
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, patience));
  try {
    const answer = await Promise.race([asked, late]);
    if (answer && answer.status < 500) return answer;
    return (await kept()) ?? asked;
  } catch (error) {
    const page = await kept();
    if (page) return page;
    throw error;
  }
}

/** ofMessage answers with the text or a file of a message: from the server, else as it was kept. */
async function ofMessage(e: FetchEvent, url: URL): Promise<Response> {
  const text = url.pathname.endsWith("/body");
  const whole = text && !["part", "as", "images"].some((p) => url.searchParams.has(p));
  try {
    const response = await fetched(e);
    if (whole && response.ok) e.waitUntil(keepOpened(textAddress(url), response.clone()).catch(() => {}));
    return response;
  } catch (error) {
    const cache = await caches.open(bodies);
    const [, m, id, kind, part] = url.pathname.split("/");
    const kept = text
      ? ((await cache.match(textAddress(url))) ?? (await cache.match(url.pathname, { ignoreSearch: true })))
      : await cache.match(`/${m}/${id}/${kind}/${part}`);
    if (kept) return kept;
    throw error;
  }
}

const textAddress = (url: URL): string => `${url.pathname}?theme=${url.searchParams.get("theme") ?? "light"}`;

/** keepOpened keeps a text that somebody opened, where texts are kept at all. */
async function keepOpened(address: string, response: Response): Promise<void> {
  if (!(await caches.has(bodies))) return;
  const cache = await caches.open(bodies);
  if (!(await cache.match(address))) await cache.put(address, response);
}

// Notifications (RFC 8620 section 7.2, RFC 8291). The browser wants one shown for every push.

self.addEventListener("push", (e) => {
  let told: unknown;
  try {
    told = e.data?.json();
  } catch {
    return;
  }
  e.waitUntil(heard(told));
});

async function heard(told: unknown): Promise<void> {
  if ((told as { "@type"?: unknown } | null)?.["@type"] === "PushVerification") {
    for (const client of await self.clients.matchAll()) client.postMessage({ verify: told });
    const cache = await caches.open(pages); // a page that opens later verifies it then
    await cache.put("/push-verification", new Response(JSON.stringify(told)));
    return;
  }
  const kept = await (await caches.open(pages)).match("/push-preferences");
  for (const n of noticesOf(told, { ...usual, ...(await kept?.json()) })) await show(n);
}

async function show(n: Notice): Promise<void> {
  const open = await self.clients.matchAll({ type: "window" });
  for (const client of open) client.postMessage({ notice: n });
  if (n.badge !== undefined) await (n.dot && n.badge > 0 ? navigator.setAppBadge?.() : navigator.setAppBadge?.(n.badge))?.catch(() => {}); // 0 takes it away
  if (open.some((c) => c.focused) && !n.test) return; // somebody looks at the list already
  await self.registration.showNotification(n.title, { body: n.text, tag: n.tag, icon: "/assets/icon.svg", silent: n.silent || (n.own && open.length > 0), data: { url: n.url } });
}

self.addEventListener("notificationclick", (e) => {
  e.notification.close();
  const url = new URL(e.notification.data?.url ?? "/mail/inbox", self.location.origin).href;
  e.waitUntil((async () => {
    for (const client of await self.clients.matchAll({ type: "window" })) {
      await client.focus().catch(() => {}); // what is not allowed to come forward still goes there
      client.postMessage({ go: url });
      return;
    }
    await self.clients.openWindow(url);
  })());
});

// The push service gives this browser another address: a page that is open tells the server, else the next one does.
self.addEventListener("pushsubscriptionchange", (e) => {
  (e as ExtendableEvent).waitUntil(self.clients.matchAll().then((open) => open[0]?.postMessage({ renew: true })));
});

// What the pages ask for.
self.addEventListener("message", (e) => {
  if (e.data === "forget") e.waitUntil(Promise.all([caches.delete(pages), caches.delete(bodies)]));
});
