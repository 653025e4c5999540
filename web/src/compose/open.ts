// How anything opens the window to write in. The window itself is loaded when it is first needed.

import { say } from "../core/actions";
import { first } from "../core/first";
import { kept } from "../core/kept";
import { load } from "../core/load";
import type { Address } from "../core/mail";
import { keepFlushing, watchNeeds } from "../core/outbox";
import { go } from "../core/route";
import { t } from "../core/text";
import { toast } from "../ui/toast";

/** Compose is what a new message begins with. */
export interface Compose {
  /** kind is what is done; "new" if it is not given. A draft is opened as it was left; "attach" sends another on as a file; "again" is a new message with what another says. */
  kind?: "new" | "reply" | "replyAll" | "forward" | "attach" | "draft" | "again";
  /** links sends what is attached as links instead, with "again". */
  links?: boolean;
  /** instead is a message of the Outbox that failed; it is put away when this one was sent. */
  instead?: string;
  /** emailId is the email that is answered, forwarded or sent again, or the draft. */
  emailId?: string;
  to?: Address[];
  cc?: Address[];
  bcc?: Address[];
  subject?: string;
  /** text is plain text that stands in the message, above what is quoted. */
  text?: string;
  files?: File[];
}

/** opening is how many windows to write in are on their way: what is typed meanwhile is meant for them, and is no shortcut. */
export let opening = 0;

/** compose opens a window to write in. */
export async function compose(options: Compose = {}): Promise<void> {
  opening++;
  try {
    const part = await load<typeof import("./main")>("compose");
    await part.open(options);
  } catch (error) {
    say(error);
  } finally {
    opening--;
  }
}

/** mailto reads the address of a link that writes to somebody (RFC 6068). */
export function mailto(href: string): Compose {
  const url = new URL(href);
  const list = (text: string): Address[] => text.split(",").map((s) => decode(s.trim())).filter(Boolean).map((email) => ({ name: null, email }));
  const options: Compose = { to: list(url.pathname), cc: [], bcc: [] };
  // URLSearchParams would take "+" for a space, which it is not here.
  for (const pair of url.search.slice(1).split("&")) {
    const [key = "", value = ""] = pair.split(/=(.*)/s);
    switch (key.toLowerCase()) {
      case "to": case "cc": case "bcc":
        options[key.toLowerCase() as "to" | "cc" | "bcc"]!.push(...list(value));
        break;
      case "subject":
        options.subject = decode(value).replace(/[\r\n]+/g, " ");
        break;
      case "body":
        options.text = decode(value).replace(/\r\n?/g, "\n");
    }
  }
  return options;
}

function decode(s: string): string {
  try {
    return decodeURIComponent(s);
  } catch {
    return s;
  }
}

/** handleLinks asks the browser to open links that write to somebody here. */
export const handleLinks = (): void => navigator.registerProtocolHandler("mailto", `${location.origin}/mail/?mailto=%s`);

/** begin prepares for writing and opens what the address of the page asks for: /mail/inbox?mailto=mailto:..., as browsers call whoever handles such links. */
export function begin(): void {
  // It is fetched while nothing else is to do, so that a window opens at once.
  setTimeout(() => {
    // Not a link that prefetches: Firefox holds those to default-src, which allows nothing.
    for (const part of ["compose", "editor", "filelist"]) fetch(`${first.base}${part}.js`, { priority: "low" }).catch(() => {});
  }, 3000);
  keepFlushing((o, error) => {
    const subject = o.subject || t("no_subject");
    if (error) toast(t("sent_refused", { subject, reason: error.message }), { kind: "error", action: t("open"), run: () => go({ page: "mail", mailbox: "outbox", thread: "", search: "" }) });
    else toast(t("sent_by_itself", { subject }));
  });
  watchNeeds();
  void offerLeft();
  const url = new URL(location.href);
  const link = url.searchParams.get("mailto");
  if (link === null) return;
  url.searchParams.delete("mailto");
  history.replaceState(null, "", url);
  if (/^mailto:/i.test(link)) void compose(mailto(link));
}

/** offerLeft offers to go on with what was typed in a window that is gone, and is not at the server. */
async function offerLeft(): Promise<void> {
  const left = await kept<{ id: string }>("drafts").catch(() => []);
  const open = new Set((await navigator.locks.query()).held?.map((l) => l.name));
  const ids = left.map((d) => d.id).filter((id) => !open.has(draftLock(id)));
  if (!ids.length) return;
  toast(t("unsent_left"), {
    action: t("open"), stay: 0,
    run: () => void load<typeof import("./main")>("compose").then((part) => part.restoreAll(ids)).catch(say),
  });
}

/** draftLock is the name of the lock that a window holds on its draft. */
export const draftLock = (id: string): string => `postiljon-draft-${id}`;
