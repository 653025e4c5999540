// The service worker (src/worker), as the page sees it.

import { first } from "./first";
import { go, parse } from "./route";

interface Policy {
  createScriptURL(url: string): string;
}

/** trusted makes the one address of a script that the page names by itself. */
const policy: Policy | undefined = (globalThis as { trustedTypes?: { createPolicy(name: string, policy: Policy): Policy } }).trustedTypes?.createPolicy("postiljon", {
  createScriptURL: (url: string) => {
    if (/^\/sw\.js\?v=[0-9a-f]+$/.test(url)) return url;
    throw new TypeError("not a script of ours");
  },
});

/** hearWorker goes where a notification that was clicked leads. */
export function hearWorker(): void {
  navigator.serviceWorker?.addEventListener("message", (e) => {
    if (typeof e.data?.go === "string") go(parse(new URL(e.data.go)));
  });
}

/** startWorker registers the worker of this version; where browsers have none, everything but reading without a line works. */
export async function startWorker(): Promise<ServiceWorkerRegistration | undefined> {
  if (!("serviceWorker" in navigator)) return undefined;
  const url = `/sw.js?v=${first.version}`;
  return navigator.serviceWorker.register(policy ? policy.createScriptURL(url) : url, { scope: "/", updateViaCache: "none" }).catch(() => undefined);
}
