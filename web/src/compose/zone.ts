// Times of a clock somewhere else: what a day and an hour mean in a time zone, which need not be that of this device.

import { api } from "../core/jmap";
import { locale } from "../core/text";

/** hereZone is the time zone of this device. */
export const hereZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Wall is what a calendar and a clock show; the day of a month may be one of another month. */
export interface Wall {
  year: number;
  month: number; // 1 to 12
  day: number;
  hour: number;
  minute: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** wallOf is what calendars and clocks of a zone show at a time. */
export function wallOf(at: Date, zone: string): Wall {
  let f = formats.get(zone);
  if (!f) formats.set(zone, (f = new Intl.DateTimeFormat("en-US", { timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" })));
  const wall = {} as Record<string, number>;
  for (const p of f.formatToParts(at)) if (p.type !== "literal") wall[p.type] = Number(p.value);
  return wall as unknown as Wall;
}

const utc = (w: Wall): number => Date.UTC(w.year, w.month - 1, w.day, w.hour, w.minute);

/** instant is when calendars and clocks of a zone show that. Of an hour that is there twice it is the first; one that is skipped is later. */
export function instant(wall: Wall, zone: string): Date {
  const wanted = utc(wall);
  const offset = (at: number) => utc(wallOf(new Date(at), zone)) - Math.floor(at / 60e3) * 60e3;
  const first = wanted - Math.max(offset(wanted - 86400e3), offset(wanted + 86400e3));
  if (utc(wallOf(new Date(first), zone)) === wanted) return new Date(first);
  return new Date(wanted - Math.min(offset(wanted - 86400e3), offset(wanted + 86400e3)));
}

let own: string | undefined;

/** usualZone is the zone that the account is set to, else that of this device. */
export async function usualZone(): Promise<string> {
  own ??= await api<{ zone: string }>("GET", "/api/account").then((p) => p.zone, () => undefined);
  return own || hereZone;
}

/** zones are all that can be chosen, the likely ones first. */
export const zones = (chosen: string): string[] => [...new Set([chosen, own || hereZone, hereZone, ...Intl.supportedValuesOf("timeZone"), "UTC"])];

const format = (zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat => new Intl.DateTimeFormat(locale, { timeZone: zone, hour: "2-digit", minute: "2-digit", ...options });

/** clockOf is the time of day in a zone, moment a time in words, brief in few, with the zone. */
export const clockOf = (d: Date, zone: string): string => format(zone, {}).format(d);
export const moment = (d: Date, zone = hereZone): string => format(zone, { weekday: "long", day: "numeric", month: "long", ...(zone === hereZone ? {} : { timeZoneName: "short" }) }).format(d);
export const brief = (d: Date, zone: string): string => format(zone, { weekday: "short", day: "numeric", month: "short", timeZoneName: "short" }).format(d);

/** zoneName is what people call a zone. */
export function zoneName(zone: string): string {
  const name = new Intl.DateTimeFormat(locale, { timeZone: zone, timeZoneName: "long" }).formatToParts(new Date()).find((p) => p.type === "timeZoneName")?.value ?? zone;
  return name;
}
