// Notifications of conversations that were read, here or elsewhere, are taken away while a page is open.

import { call, of } from "../core/jmap";
import { onChange, type Email } from "../core/mail";

/** withdrawRead does so after every change. */
export function withdrawRead(): void {
  let waiting: ReturnType<typeof setTimeout> | undefined;
  onChange(() => (waiting ??= setTimeout(() => {
    waiting = undefined;
    void look().catch(() => {}); // the next change comes here again
  }, 500)));
}

async function look(): Promise<void> {
  const registration = await navigator.serviceWorker?.getRegistration("/");
  for (const shown of (await registration?.getNotifications?.()) ?? []) {
    if (!/^T[\d-]+$/.test(shown.tag)) continue;
    const thread = call("Thread/get", { ...of(shown.tag), ids: [shown.tag] });
    const emails = call<Pick<Email, "keywords">>("Email/get", { ...of(shown.tag), "#ids": thread.ref("/list/*/emailIds"), properties: ["keywords"] });
    thread.catch(() => {}); // what refers to it fails with it
    if ((await emails).list.every((e) => e.keywords.$seen)) shown.close();
  }
}
