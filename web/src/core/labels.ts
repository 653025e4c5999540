// Labels are keywords, as mail programs have them; what they are called and their colours are the account's, at the server.

import { computed, signal } from "@preact/signals";
import { first, whenTold } from "./first";
import { api } from "./jmap";
import type { Email } from "./mail";
import { fold, t } from "./text";

export interface Label {
  keyword: string;
  name: string; // "" for one of the first five, which have a name in each language
  colour: string; // one of colours, or ""
}

/** colours are those that a label can have. */
export const colours: Record<string, string> = {
  red: "#d9362b", orange: "#e07b1a", yellow: "#d6ab00", green: "#2f9e44", teal: "#12969e", blue: "#2f74d0", violet: "#7c4dd6", pink: "#d6409f", grey: "#7d8794",
};

/** labels are all that can be given: until somebody changes them, those that Thunderbird knows by number. */
export const labels = signal<Label[]>([]);
whenTold(() => (labels.value = first?.labels ?? usual()));

function usual(): Label[] {
  return ["red", "orange", "green", "blue", "violet"].map((colour, i) => ({ keyword: `$label${i + 1}`, name: "", colour }));
}

/** renewLabels asks for them anew, as another window or a mail program changed them. */
export async function renewLabels(): Promise<void> {
  const now = (await api<{ labels: Label[] | null }>("GET", "/api/labels")).labels ?? usual();
  if (JSON.stringify(now) !== JSON.stringify(labels.peek())) labels.value = now;
}

const known = computed(() => new Map(labels.value.map((l) => [l.keyword, l])));

/** labelName is what a label is called. */
export function labelName(keyword: string): string {
  const name = known.value.get(keyword)?.name;
  if (name) return name;
  if (/^\$label[1-5]$/.test(keyword)) return t(`label_${keyword.at(-1)}`);
  return keyword.slice(0, 1).toUpperCase() + keyword.slice(1).replaceAll("_", " "); // keywords are in small letters
}

/** labelStyle is the colour of a label, as style/list.css wants it. */
export const labelStyle = (keyword: string) => ({ "--c": colours[known.value.get(keyword)?.colour ?? ""] });

/** labelCalled is the keyword of the label with a name. */
export const labelCalled = (name: string): string | undefined => labels.peek().find((l) => fold(labelName(l.keyword)) === fold(name))?.keyword;

/** labelsOf are the labels of a conversation; keywords that programs use ($seen, NonJunk) are none. */
export function labelsOf(emails: Email[]): string[] {
  const all = new Set(emails.flatMap((e) => Object.keys(e.keywords)));
  return [...all].filter((k) => known.value.has(k) || /^(\$label[1-5]|[^$\\].*)$/.test(k) && !/^((non)?junk|notjunk|forwarded)$/.test(k));
}
