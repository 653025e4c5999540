// When a message is to go.

import { useState } from "preact/hooks";
import { locale, t, time } from "../core/text";
import { Button } from "../ui/button";
import { Dialog, show } from "../ui/dialog";

const format = new Intl.DateTimeFormat(locale, { weekday: "long", day: "numeric", month: "long", hour: "2-digit", minute: "2-digit" });
const zone = new Intl.DateTimeFormat(locale, { timeZoneName: "long" });

/** moment is a time in words. */
export const moment = (d: Date): string => format.format(d);

/** zoneName is what people call the time zone of this device. */
const zoneName = (): string => zone.formatToParts(new Date()).find((p) => p.type === "timeZoneName")?.value ?? "";

const morning = 8;

/** proposals are the times that people usually want. */
export function proposals(now = new Date()): { label: string; at: Date }[] {
  const at = (days: number, hour: number) => new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, hour);
  const list: { label: string; at: Date }[] = [];
  if (now.getHours() < 17) list.push({ label: t("sched_evening"), at: at(0, 18) });
  list.push({ label: t("sched_tomorrow"), at: at(1, morning) });
  const toMonday = (8 - now.getDay()) % 7 || 7;
  if (toMonday > 1) list.push({ label: t("sched_monday"), at: at(toMonday, morning) });
  return list;
}

/** askWhen lets somebody choose a time; undefined for none. */
export const askWhen = (): Promise<Date | undefined> => show<Date>((close) => <When close={close} />);

const local = (d: Date): string => new Date(d.getTime() - d.getTimezoneOffset() * 60e3).toISOString().slice(0, 16);

function When({ close }: { close: (at?: Date) => void }) {
  const [own, setOwn] = useState(local(new Date(Math.ceil(Date.now() / 3600e3 + 1) * 3600e3)));
  const chosen = new Date(own);
  const ok = !Number.isNaN(chosen.getTime()) && chosen.getTime() > Date.now() + 30e3;
  return (
    <Dialog title={t("sched_title")} onClose={() => close()}>
      <ul class="times">
        {proposals().map((p, i) => (
          <li key={p.label}>
            <button type="button" class="time" autofocus={i === 0} onClick={() => close(p.at)}><span>{p.label}</span><span class="soft">{moment(p.at)}</span></button>
          </li>
        ))}
      </ul>
      <form class="form" onSubmit={(e) => {
        e.preventDefault();
        if (ok) close(chosen);
      }}>
        <label>{t("sched_own")}<input type="datetime-local" value={own} min={local(new Date())} onInput={(e) => setOwn(e.currentTarget.value)} /></label>
        <p class="soft">{t("sched_zone", { zone: zoneName(), time: time(new Date()) })}</p>
        <div class="dialog-buttons"><Button primary type="submit" disabled={!ok}>{t("sched_this")}</Button></div>
      </form>
    </Dialog>
  );
}
