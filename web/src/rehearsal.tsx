// The webmail is drawn before anybody has signed in: out of sight, with mail that nobody sent, while an address and a password
// are typed. What a browser does for the first time takes it several times as long as later: it compiles each function when that is
// first called, reads the style sheet, looks for fonts. Nothing is asked of the server, and nothing stays.

import { render, type ComponentType } from "preact";
import { tell, type First } from "./core/first";
import type { Invocation } from "./core/jmap";
import type { Email, Mailbox } from "./core/mail";
import { loadTexts } from "./core/text";

/** rows are how many are drawn, each time in a task of its own, so that no key that is pressed meanwhile has to wait for long. */
const rows = [0, 3, 12];

/** idle is when the browser has nothing else to do. */
const idle = (): Promise<void> => new Promise((go) => ("requestIdleCallback" in globalThis ? requestIdleCallback(() => go(), { timeout: 500 }) : setTimeout(go, 50)));

/** rehearse draws what base names the files of, in the language of the page, for as long as nobody has done with typing. */
export async function rehearse(App: ComponentType, base: string, typing: () => boolean): Promise<void> {
  if (!typing()) return;
  await scene(base, 0, () => loadTexts());
  const frame = stage();
  try {
    await new Promise((there) => {
      frame.onload = there; // some browsers put another page into it until then
      document.body.append(frame);
    });
    await dressed(frame.contentDocument!, `${base}app.css`);
    for (const n of rows) {
      await idle();
      if (!typing()) return;
      scene(base, n, () => draw(App, frame.contentDocument!.body));
    }
  } finally {
    frame.remove();
  }
}

/** stage is a page as large as this one, which nobody sees, hears of or comes to. */
function stage(): HTMLIFrameElement {
  const frame = Object.assign(document.createElement("iframe"), { inert: true, tabIndex: -1 });
  frame.setAttribute("aria-hidden", "true");
  Object.assign(frame.style, { position: "fixed", inset: "0", width: "100%", height: "100%", border: "0", visibility: "hidden" });
  return frame;
}

/** dressed waits for the style sheet. */
function dressed(page: Document, href: string): Promise<unknown> {
  return new Promise((done, failed) => page.head.append(Object.assign(page.createElement("link"), { rel: "stylesheet", href, onload: done, onerror: failed })));
}

/** scene does something while the program takes n made-up conversations for what the server told. */
function scene<T>(base: string, n: number, work: () => T): T {
  tell(madeUp(base, n));
  try {
    return work();
  } finally {
    tell(undefined);
  }
}

/** draw draws, has the browser lay out what was drawn, and takes it away. What components do once they are seen they never come to do. */
function draw(App: ComponentType, page: HTMLElement): void {
  const root = page.appendChild(Object.assign(document.createElement("div"), { id: "app" }));
  try {
    render(<App />, root);
    void root.offsetHeight;
    render(null, root);
  } finally {
    root.remove();
  }
}

const me = { name: "", email: "me@example.invalid" };

function madeUp(base: string, n: number): First {
  const numbers = Array.from({ length: n }, (_, i) => i);
  const [accountId, state] = ["a0", "0"];
  const answers: [string, object][] = [
    ["Mailbox/get", { list: ["inbox", "drafts", null, "sent", "archive", "junk", "trash", null].map(mailbox) }],
    ["Email/query", { queryState: state, canCalculateChanges: true, position: 0, ids: numbers.map((i) => `M${i}`), total: n }],
    ["Email/get", { list: numbers.map(email), notFound: [] }],
    ["Thread/get", { list: numbers.map((i) => ({ id: `T${i}`, emailIds: i % 4 ? [`M${i}`] : [`M${i}`, `M${n - 1}`] })), notFound: [] }],
  ];
  return {
    account: { id: accountId, address: me.email, name: "" }, sharers: [], csrf: "", lang: document.documentElement.lang as First["lang"], version: "", base, origin: "", maxSize: 0, undo: 0,
    responses: answers.map(([name, answer]): Invocation => [name, { accountId, state, ...answer }, ""]),
  };
}

const mailbox = (role: string | null, i: number): Mailbox => ({
  id: `F${i}`, name: `${i}`, parentId: null, role, sortOrder: i, totalEmails: 9, unreadEmails: i % 2, totalThreads: 9, unreadThreads: i % 2, isSubscribed: true, myRights: { mayAddItems: i !== 2 },
});

/** email is one of several kinds: unread, with a star, a label, a file; from today, this week, this year, another. */
const email = (_: unknown, i: number): Email => ({
  id: `M${i}`, threadId: `T${i}`, mailboxIds: { F0: true }, keywords: i % 2 ? { $seen: true, $answered: true } : { $flagged: true, $label1: true },
  from: [{ name: i % 3 ? "Åsa Ø" : null, email: `${i}@example.invalid` }], to: [me], subject: i % 5 ? "Aa Åå Ææ 1" : null, receivedAt: new Date(Date.now() - i ** 3 * 6e7).toISOString(),
  size: 1, preview: "Aa Åå Ææ 1", hasAttachment: i % 3 === 0,
});
