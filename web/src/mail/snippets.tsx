// What was found, with the words marked (SearchSnippet, RFC 8621 section 5).

import { signal, type Signal } from "@preact/signals";
import { call } from "../core/jmap";
import type { List } from "../core/list";

interface SearchSnippet {
  emailId: string;
  subject: string | null;
  preview: string | null;
}

const snippets = new WeakMap<List, Map<string, Signal<SearchSnippet | undefined>>>();

/** snippet is what of an email was found for a list. */
export function snippet(l: List, id: string): Signal<SearchSnippet | undefined> {
  let all = snippets.get(l);
  if (!all) snippets.set(l, (all = new Map()));
  let s = all.get(id);
  if (!s) all.set(id, (s = signal(undefined)));
  return s;
}

/** wantSnippets asks for those of rows that came. A server without them costs nothing but the marks. */
export function wantSnippets(l: List, ids: string[]): void {
  if (ids.length === 0) return;
  call<SearchSnippet>("SearchSnippet/get", { accountId: l.accountId, filter: l.filter, emailIds: ids }).then(
    (answer) => answer.list.forEach((s) => (snippet(l, s.emailId).value = s)),
    () => {},
  );
}

const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'", "#34": '"' };
const plain = (html: string): string => html.replace(/&(amp|lt|gt|quot|#39|#34);/g, (_, name: string) => entities[name]!);

/** lead is how much of a text stands before what was found, so that it is in sight in a narrow row. */
const lead = 24;

/** near is a text from shortly before what was found in it. */
function near(text: string): string {
  const at = text.indexOf("<mark>");
  if (at < 1.5 * lead) return text;
  const word = text.indexOf(" ", at - lead) + 1;
  return `… ${text.slice(word > 0 && word < at ? word : at)}`;
}

/** Snippet shows a text in which nothing but <mark> is markup. */
export function Snippet({ text }: { text: string }) {
  return <>{near(text).split(/(<mark>.*?<\/mark>)/s).map((part) => (part.startsWith("<mark>") ? <mark>{plain(part.slice(6, -7))}</mark> : plain(part)))}</>;
}
