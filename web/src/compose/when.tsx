// When a message is to go: loaded when somebody asks for it.

import { useState } from "preact/hooks";
import { t } from "../core/text";
import { Button } from "../ui/button";
import { Dialog, show } from "../ui/dialog";
import { openMenu } from "../ui/menu";
import { brief, clockOf, hereZone, instant, moment, usualZone, wallOf, zoneName, zones, type Wall } from "./zone";

const morning = 8;
const evening = 18;

/** proposals are the times that people usually want, by the calendar of a zone. */
function proposals(zone: string, now = new Date()): { label: string; at: Date }[] {
  const today = wallOf(now, zone);
  const weekday = new Date(Date.UTC(today.year, today.month - 1, today.day)).getUTCDay();
  const at = (days: number, hour: number) => instant({ ...today, day: today.day + days, hour, minute: 0 }, zone);
  const list: { label: string; at: Date }[] = [];
  if (today.hour < evening - 1) list.push({ label: t("sched_evening"), at: at(0, evening) });
  list.push({ label: t("sched_tomorrow"), at: at(1, morning) });
  const toMonday = (8 - weekday) % 7 || 7;
  if (toMonday > 1) list.push({ label: t("sched_monday"), at: at(toMonday, morning) });
  return list;
}

/** offer is a menu of them, and of any other; go is told what was chosen. */
export async function offer(at: Element, go: (at: Date, zone: string) => void): Promise<void> {
  const zone = await usualZone();
  openMenu(at, [
    ...proposals(zone).map((p) => ({ label: `${p.label}, ${brief(p.at, zone)}`, icon: "clock", run: () => go(p.at, zone) })),
    { label: t("sched_other"), icon: "calendar-clock", run: () => void askWhen(zone).then((c) => c && go(c.at, c.zone)) },
  ], t("sched"));
}

/** Chosen is a time, and the zone in which it was chosen. */
interface Chosen {
  at: Date;
  zone: string;
}

/** askWhen lets somebody choose a time; undefined for none. */
const askWhen = (zone: string): Promise<Chosen | undefined> => show<Chosen>((close) => <When zone={zone} close={close} />);

const two = (n: number): string => String(n).padStart(2, "0");
const written = (w: Wall): string => `${w.year}-${two(w.month)}-${two(w.day)}T${two(w.hour)}:${two(w.minute)}`;

function read(text: string): Wall | undefined {
  const [year, month, day, hour, minute] = text.split(/\D/).map(Number);
  return minute === undefined || Number.isNaN(year! + month! + day! + hour! + minute) ? undefined : { year: year!, month: month!, day: day!, hour: hour!, minute };
}

function When({ zone: usual, close }: { zone: string; close: (chosen?: Chosen) => void }) {
  const [zone, setZone] = useState(usual);
  const [own, setOwn] = useState(() => written(wallOf(new Date(Math.ceil(Date.now() / 3600e3 + 1) * 3600e3), usual)));
  const wall = read(own);
  const at = wall && instant(wall, zone);
  const ok = at && at.getTime() > Date.now() + 30e3;
  return (
    <Dialog title={t("sched_title")} onClose={() => close()}>
      <ul class="times">
        {proposals(zone).map((p, i) => (
          <li key={p.label}>
            <button type="button" class="time" autofocus={i === 0} onClick={() => close({ at: p.at, zone })}><span>{p.label}</span><span class="soft">{moment(p.at, zone)}</span></button>
          </li>
        ))}
      </ul>
      <form class="form" onSubmit={(e) => {
        e.preventDefault();
        if (ok) close({ at, zone });
      }}>
        <label>{t("sched_own")}<input type="datetime-local" value={own} min={written(wallOf(new Date(), zone))} onInput={(e) => setOwn(e.currentTarget.value)} /></label>
        <label>{t("sched_in")}
          <select value={zone} onChange={(e) => setZone(e.currentTarget.value)}>
            {zones(zone).map((z) => <option key={z} value={z}>{z.replaceAll("_", " ")}</option>)}
          </select>
        </label>
        <p class="soft" role="status">
          {t("sched_zone", { zone: zoneName(zone), time: clockOf(new Date(), zone) })}
          {zone !== hereZone && at && ` ${t("sched_here", { when: moment(at) })}`}
        </p>
        <div class="dialog-buttons"><Button primary type="submit" disabled={!ok}>{t("sched_this")}</Button></div>
      </form>
    </Dialog>
  );
}
