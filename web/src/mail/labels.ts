// Labels are keywords, as mail programs have them: five that Thunderbird knows by number, and one's own.

import { signal } from "@preact/signals";
import type { Email } from "../core/mail";
import { t } from "../core/text";
import { store, stored } from "./state";

const numbered = ["$label1", "$label2", "$label3", "$label4", "$label5"];

/** own are the labels that were seen here or made here. */
const own = signal<string[]>((stored("labels") ?? "").split(" ").filter((k) => k));

/** labels are all that can be given. */
export const labels = (): string[] => [...numbered, ...own.value];

/** isLabel tells keywords that people give from those that programs use ($seen, NonJunk). */
const isLabel = (keyword: string): boolean => numbered.includes(keyword) || (/^[^$\\]/.test(keyword) && !/^(non)?junk$|^notjunk$|^forwarded$/.test(keyword));

/** labelName is what a label is called. */
export function labelName(keyword: string): string {
  const n = numbered.indexOf(keyword);
  if (n >= 0) return t(`label_${n + 1}`);
  const name = keyword.replaceAll("_", " "); // keywords are in small letters
  return name.slice(0, 1).toUpperCase() + name.slice(1);
}

/** labelsOf are the labels of a conversation. */
export function labelsOf(emails: Email[]): string[] {
  return [...new Set(emails.flatMap((e) => Object.keys(e.keywords)))].filter(isLabel).slice(0, 3);
}

/** newLabel is the keyword of a label by its name; it is remembered. */
export function newLabel(name: string): string {
  const keyword = name.trim().toLowerCase().replace(/\s+/g, "_").replace(/[^\p{L}\p{N}_-]/gu, "");
  if (!keyword || !isLabel(keyword)) return "";
  if (!own.value.includes(keyword)) {
    own.value = [...own.value, keyword].sort();
    store("labels", own.value.join(" "));
  }
  return keyword;
}
