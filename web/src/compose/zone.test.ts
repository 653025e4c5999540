// What is scheduled for a clock somewhere else goes when that clock shows it, also on days when it is put forward or back.
import assert from "node:assert/strict";
import { test } from "node:test";
import "../test/page";

const { instant, wallOf } = await import("./zone");

test("a time of a zone", () => {
  const wall = (text: string) => {
    const [year, month, day, hour, minute] = text.split(/\D/).map(Number) as [number, number, number, number, number];
    return { year, month, day, hour, minute };
  };
  for (const [zone, shown, at] of [
    ["UTC", "2026-11-23T08:00", "2026-11-23T08:00:00.000Z"],
    ["Europe/Stockholm", "2026-11-23T08:00", "2026-11-23T07:00:00.000Z"],
    ["Europe/Stockholm", "2026-07-01T08:00", "2026-07-01T06:00:00.000Z"],
    ["America/New_York", "2026-11-23T00:30", "2026-11-23T05:30:00.000Z"],
    ["Asia/Kathmandu", "2026-11-23T08:00", "2026-11-23T02:15:00.000Z"],
    ["Europe/Stockholm", "2026-10-25T02:30", "2026-10-25T00:30:00.000Z"], // there twice
    ["Europe/Stockholm", "2026-10-25T12:00", "2026-10-25T11:00:00.000Z"],
    ["Europe/Stockholm", "2026-03-29T12:00", "2026-03-29T10:00:00.000Z"],
    ["Europe/Stockholm", "2026-03-29T02:30", "2026-03-29T01:30:00.000Z"], // never shown
    ["Pacific/Auckland", "2026-12-32T08:00", "2026-12-31T19:00:00.000Z"], // the day after the last of a month
  ] as [string, string, string][]) assert.equal(instant(wall(shown), zone).toISOString(), at, `${shown} in ${zone}`);
  assert.deepEqual(wallOf(new Date("2026-11-23T00:00:00Z"), "Europe/Stockholm"), { month: 11, day: 23, year: 2026, hour: 1, minute: 0 });
});
