// Words in the reader's language. Prose stands in src/text alone; a word that depends on a number has its forms
// beside it, as in the texts of causes: "{n} {n:message|messages}".

import { first, whenTold, type First } from "./first";

export let lang: First["lang"];
let texts: Record<string, string> = {};
const loaded = new Set<string>();

/** loadTexts fetches words: those of the shell, or of a part that is loaded when it is needed. */
export async function loadTexts(name = `text.${lang}`): Promise<void> {
  if (loaded.has(name)) return;
  const url = `${first.base}${name}.js`;
  const more = (await import(url)).texts;
  texts = { ...texts, ...more }; // as they are now: other words may have come meanwhile
  loaded.add(name);
}

type Params = Record<string, string | number>;

/** t is the text of a key with its parameters filled in; the key itself if there is none, which a test forbids. */
export function t(key: string, params?: Params): string {
  const text = texts[key] ?? key;
  if (!params) return text;
  return text.replace(/\{(\w+)(?::([^|}]*)\|([^}]*))?\}/g, (all, name: string, one?: string, other?: string) => {
    const value = params[name];
    if (value === undefined) return all;
    if (one === undefined) return typeof value === "number" ? number(value) : value;
    return plural.select(Number(value)) === "one" ? one : other!;
  });
}

export let locale: string;
let plural: Intl.PluralRules;
let numbers: Intl.NumberFormat;
let decimals: Intl.NumberFormat;
let clock: Intl.DateTimeFormat;
let weekday: Intl.DateTimeFormat;
let day: Intl.DateTimeFormat;
let date: Intl.DateTimeFormat;
let whole: Intl.DateTimeFormat;

whenTold(() => {
  if (!first || first.lang === lang) return;
  lang = first.lang;
  locale = lang === "en" ? "en-GB" : lang === "sv" ? "sv-SE" : "nb-NO"; // English as in Britain, as everywhere in the service
  plural = new Intl.PluralRules(lang);
  numbers = new Intl.NumberFormat(locale);
  decimals = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
  clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
  weekday = new Intl.DateTimeFormat(locale, { weekday: "short" });
  day = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short" });
  date = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", year: "numeric" });
  whole = new Intl.DateTimeFormat(locale, { weekday: "long", day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit" });
});

export const number = (n: number): string => numbers.format(n);
export const time = (d: Date): string => clock.format(d);
export const longDate = (d: Date): string => whole.format(d);

/** longSpan is a time and when it ends, as RFC 3339 has them; days alone are of what lasts all day, wherever one is. */
export function longSpan(from: string, to: string): string {
  const how = from.length > 10 ? whole : new Intl.DateTimeFormat(locale, { dateStyle: "full", timeZone: "UTC" });
  return how.formatRange(new Date(from), new Date(to < from ? from : to));
}

/** briefDate is as short as a list wants it: the time today, the weekday this week, else the day. */
export function briefDate(d: Date, now = new Date()): string {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  if (d.getTime() >= midnight && d.getTime() < midnight + 86400e3) return clock.format(d);
  if (d.getTime() >= midnight - 6 * 86400e3 && d.getTime() < midnight) return weekday.format(d);
  return d.getFullYear() === now.getFullYear() ? day.format(d) : date.format(d);
}

/** size is a number of octets in the units that people know. */
export function size(octets: number): string {
  if (octets < 1000) return `${number(octets)} B`;
  let value = octets;
  for (const unit of ["kB", "MB", "GB", "TB"]) {
    value /= 1000;
    if (value < 999.5 || unit === "TB") return `${(value < 10 ? decimals : numbers).format(value < 10 ? value : Math.round(value))} ${unit}`;
  }
  return "";
}

/** fold makes texts comparable that differ in case and accents alone. */
export function fold(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}
