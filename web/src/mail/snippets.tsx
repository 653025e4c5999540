// What was found, with the words marked (SearchSnippet, RFC 8621 section 5).

import { signal, type Signal } from "@preact/signals";
import { call } from "../core/jmap";
import { list } from "./state";

interface SearchSnippet {
  emailId: string;
  subject: string | null;
  preview: string | null;
}

const snippets = new Map<string, Signal<SearchSnippet | undefined>>();
let of: object | undefined; // the list they belong to

export function snippet(id: string): Signal<SearchSnippet | undefined> {
  let s = snippets.get(id);
  if (!s) snippets.set(id, (s = signal(undefined)));
  return s;
}

/** wantSnippets asks for those of rows that came. A server without them costs nothing but the marks. */
export function wantSnippets(ids: string[]): void {
  const l = list.peek();
  if (!l || ids.length === 0) return;
  if (of !== l) snippets.forEach((s) => (s.value = undefined));
  of = l;
  call<SearchSnippet>("SearchSnippet/get", { accountId: l.accountId, filter: l.filter, emailIds: ids }).then(
    (answer) => {
      if (list.peek() === l) for (const s of answer.list) snippet(s.emailId).value = s;
    },
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
