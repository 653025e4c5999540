// The self-check: what the program needs of this browser and of the line, looked at one by one, and a button that sets it
// up anew. What was written and not yet sent stays.

import { useEffect, useState } from "preact/hooks";
import { first } from "../core/first";
import { api, call, LineError, online, send } from "../core/jmap";
import { changesWaiting } from "../core/standin";
import { number, size, t } from "../core/text";
import { databaseOf, open } from "../offline/database";
import type { Keeping } from "../offline/keeping";
import { possible } from "../push/push";
import { Button } from "../ui/button";
import { Icon } from "../ui/icon";
import { toast } from "../ui/toast";
import { Part } from "./parts";

/** Level is how well something is; note is what a browser does not have, which is no trouble. */
type Level = "good" | "note" | "warn" | "bad";

interface Found {
  level: Level;
  text: string;
}

interface Probe {
  id: string;
  /** kept tells that it is about what this browser keeps, which a repair sets up anew. */
  kept?: boolean;
  look: () => Promise<Found>;
}

const good = (text: string): Found => ({ level: "good", text });
const note = (text: string): Found => ({ level: "note", text });
const warn = (text: string): Found => ({ level: "warn", text });
const bad = (text: string): Found => ({ level: "bad", text });

/** oftenEnough is how many times the line is measured. */
const oftenEnough = 5;

const probes: Probe[] = [
  {
    id: "line",
    look: async () => {
      const times: number[] = [];
      for (let i = 0; i < oftenEnough; i++) {
        const begin = performance.now();
        const echo = await call("Core/echo", { n: i }).catch((error) => {
          if (!(error instanceof LineError)) throw error;
        });
        if (!echo) return bad(t("check_line_none"));
        times.push(performance.now() - begin);
      }
      const middle = times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!;
      return middle < 500 ? good(t("check_line_good", { n: Math.round(middle) })) : warn(t("check_line_slow", { n: Math.round(middle) }));
    },
  },
  {
    id: "push",
    look: () => new Promise((resolve) => {
      const source = new EventSource("/jmap/events?types=*&closeafter=no&ping=60");
      const end = (found: Found) => {
        clearTimeout(timer);
        source.close();
        resolve(found);
      };
      const timer = setTimeout(() => end(bad(t(online.peek() ? "check_push_bad" : "check_failed"))), 8000);
      source.onopen = () => end(good(t("check_push_good")));
    }),
  },
  {
    id: "version",
    kept: true,
    look: async () => {
      const page = await send("/mail/", { headers: { Accept: "text/html" } });
      const theirs = page.headers.get("X-Postiljon-Shell");
      return theirs === first.version ? good(t("check_version_good", { version: first.version })) : warn(t("check_version_old"));
    },
  },
  {
    id: "clock",
    look: async () => {
      const begin = Date.now();
      const response = await send("/jmap/session");
      const theirs = Date.parse(response.headers.get("Date") ?? "");
      const off = Math.round(Math.abs((begin + Date.now()) / 2 - theirs) / 1000);
      if (Number.isNaN(theirs)) return warn(t("check_clock_unknown"));
      if (off <= 60) return good(t("check_clock_good"));
      return warn(off < 120 ? t("check_clock_off", { n: off }) : t("check_clock_off_minutes", { n: Math.round(off / 60) }));
    },
  },
  {
    id: "worker",
    kept: true,
    look: async () => {
      if (!("serviceWorker" in navigator) || !(await open(first.account.id).catch(() => undefined))) return warn(t("check_worker_none"));
      const late = new Promise<undefined>((resolve) => setTimeout(resolve, 5000));
      const registration = await Promise.race([navigator.serviceWorker.ready, late]); // it is being set up when the page has just come
      if (!registration?.active) return warn(t("check_worker_off"));
      const program = document.querySelector<HTMLScriptElement>('script[src*="/ui/"]')?.src;
      return !program || (await caches.match(program)) ? good(t("check_worker_good")) : warn(t("check_worker_gone"));
    },
  },
  {
    id: "storage",
    kept: true,
    look: async () => {
      if (!globalThis.indexedDB || !navigator.storage?.estimate) return note(t("check_storage_none"));
      const { usage = 0, quota = 0 } = await navigator.storage.estimate();
      return quota - usage > 50e6 ? good(t("check_storage_good", { used: size(usage), free: size(quota - usage) })) : warn(t("check_storage_full", { free: size(quota - usage) }));
    },
  },
  {
    id: "kept",
    kept: true,
    look: async () => {
      const keeps = await open(first.account.id).catch(() => undefined);
      if (!keeps) return note(t("check_kept_refused"));
      const kept = await keeps.get<Keeping>("state", "keeping");
      if (!kept) return good(t("check_kept_not_yet"));
      const { texts, emails: n, limit } = kept;
      const said = t(`check_kept_${limit ?? (texts < n ? "more" : "good")}`, { n, texts });
      const waits = changesWaiting.peek();
      return (limit === "full" ? warn : good)(waits > 0 ? `${said} ${t("check_kept_waits", { n: waits })}` : said);
    },
  },
  {
    id: "notices",
    look: async () => {
      if (!possible) return note(t("check_notices_none"));
      if (Notification.permission === "granted") return good(t("check_notices_good"));
      return Notification.permission === "denied" ? note(t("check_notices_denied")) : good(t("check_notices_asked"));
    },
  },
];

const icons: Record<Level, string> = { good: "circle-check", note: "info", warn: "circle-alert", bad: "triangle-alert" };

export function Check() {
  const [found, setFound] = useState<Record<string, Found>>({});
  const [run, setRun] = useState(0);
  useEffect(() => {
    let stopped = false;
    setFound({});
    for (const p of probes) {
      p.look()
        .catch(() => bad(t("check_failed")))
        .then((f) => !stopped && setFound((all) => ({ ...all, [p.id]: f })));
    }
    return () => {
      stopped = true;
    };
  }, [run]);

  const all = Object.values(found);
  const done = all.length === probes.length;
  const ill = probes.filter((p) => found[p.id]?.level === "warn" || found[p.id]?.level === "bad");
  const noLine = found.line?.level === "bad";
  return (
    <>
      <h1>{t("settings_check")}</h1>
      <p class={`check-verdict ${done && ill.length ? "warn" : ""}`} role="status">
        {!done ? t("check_running", { n: all.length, all: number(probes.length) }) : t(noLine ? "check_line_none" : ill.some((p) => p.kept) ? "check_trouble" : ill.length ? "check_trouble_else" : "check_fine")}
      </p>
      <Part title={t("check_what")}>
        <ul class="checks">
          {probes.map((p) => {
            const f = found[p.id];
            return (
              <li key={p.id} class={f?.level ?? "running"}>
                <Icon name={f ? icons[f.level] : "loader-circle"} />
                <div>
                  <strong>{t(`check_${p.id}`)}</strong>
                  <span class="soft">{f?.text ?? t("check_looking")}</span>
                </div>
              </li>
            );
          })}
        </ul>
        <div class="part-buttons">
          <Button icon="refresh-cw" onClick={() => setRun(run + 1)}>{t("check_again")}</Button>
        </div>
      </Part>
      <Part title={t("repair")} text={t("repair_text")}>
        <div class="part-buttons">
          <Button primary onClick={() => void repair()}>{t("repair_do")}</Button>
          <a class="button" href="/doctor">{t("repair_else")}</a>
        </div>
      </Part>
      <details class="identity technical"><summary>{t("check_technical")}</summary><p class="soft">{navigator.userAgent}</p></details>
    </>
  );
}

/**
 * repair takes away what is kept in this browser, and loads the program anew. What waits to be sent or done stays, and what the
 * worker was told to say.
 */
async function repair(): Promise<void> {
  try {
    await api("GET", "/api/session"); // a session that is over leads to the sign-in by itself
  } catch (error) {
    if (error instanceof LineError) return void toast(t("repair_no_line"), { kind: "error" }); // without the program, nothing would be there
  }
  const told = await globalThis.caches?.match("/push-preferences");
  for (const registration of (await navigator.serviceWorker?.getRegistrations()) ?? []) await registration.unregister();
  for (const name of (await globalThis.caches?.keys()) ?? []) await caches.delete(name);
  if (told) await (await caches.open("pages")).put("/push-preferences", told);
  if (await waits()) return location.replace("/mail/inbox");
  await new Promise<void>((resolve) => {
    const request = indexedDB.deleteDatabase(databaseOf(first.account.id));
    request.onsuccess = request.onerror = request.onblocked = () => resolve();
  });
  location.replace("/mail/inbox");
}

/** waits takes away what is kept of mail, and tells whether something that was done without a line is not at the server yet. */
async function waits(): Promise<boolean> {
  const late = new Promise<false>((resolve) => setTimeout(resolve, 3000, false)); // a database that does not open is broken
  return Promise.race([open(first.account.id).then((kept) => kept.clear()).catch(() => false), late]);
}
