// Notifications: of this browser, switched on and off, for which folders, when not, with what in them; a test that shows
// the seconds; and the other devices that have them.

import { useEffect, useState } from "preact/hooks";
import { call, MethodError } from "../core/jmap";
import { mailboxes } from "../core/mail";
import { longDate, t } from "../core/text";
import { Button } from "../ui/button";
import { nameOf } from "../mail/names";
import { change, confirmed, isMine, possible, subscribe, subscriptions, Unreachable, unsubscribe, type Notify, type Subscription } from "../push/push";
import { attempt, Load, Part, Row, Switch, useLoaded } from "./parts";

export function Notifications() {
  const loaded = useLoaded(subscriptions);
  const mine = loaded.value?.find(isMine);
  useEffect(() => confirmed(loaded.again), []);
  return (
    <>
      <h1>{t("settings_notifications")}</h1>
      <Load of={loaded}>
        {(all) => (
          <>
            <Here mine={mine} again={loaded.again} />
            {mine && <What s={mine} again={loaded.again} />}
            {all.length > 0 && (
              <Part title={t("notice_devices")}>
                {all.map((s) => (
                  <Row key={s.id} label={s.deviceClientId.split("|")[1] ?? t("browser")} text={s === mine ? t("session_here") : t("until", { when: longDate(new Date(s.expires)) })}>
                    <Button onClick={() => void attempt(() => unsubscribe(s)).then(loaded.again)}>{t("remove")}</Button>
                  </Row>
                ))}
              </Part>
            )}
          </>
        )}
      </Load>
    </>
  );
}

function Here({ mine, again }: { mine: Subscription | undefined; again: () => void }) {
  const [blocked, setBlocked] = useState(possible && Notification.permission === "denied");
  const turn = (on: boolean) => attempt(async () => {
    if (!on) return mine && unsubscribe(mine);
    if ((await Notification.requestPermission()) !== "granted") {
      setBlocked(Notification.permission === "denied");
      throw new MethodError("forbidden", { description: t("notices_not_allowed") });
    }
    await keepPreferences();
    try {
      await subscribe();
    } catch (error) {
      throw error instanceof Unreachable ? new MethodError("unavailable", { description: t("notices_no_service") }) : error;
    }
  }).then(again);
  return (
    <Part title={t("notices_here")} text={t(!possible ? "check_notices_none" : blocked ? "check_notices_denied" : "notices_text")}>
      <Row label={mine ? (mine.verificationCode ? t("notices_on") : t("notices_waiting")) : t("notices_off")}>
        <Switch label={t("notices_here")} on={!!mine} disabled={!possible || blocked} change={(on) => void turn(on)} />
      </Row>
      {mine?.verificationCode && <Test s={mine} />}
    </Part>
  );
}

/** Test sends a notification the whole way and tells how long it took. */
function Test({ s }: { s: Subscription }) {
  const [said, setSaid] = useState("");
  const test = () => attempt(async () => {
    const id = crypto.randomUUID();
    const begin = Date.now();
    setSaid(t("notice_test_sent"));
    const seconds = new Promise<number>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(t("notice_test_late"))), 60e3);
      const heard = (e: MessageEvent) => {
        if (e.data?.notice?.test?.id !== id) return;
        clearTimeout(timer);
        navigator.serviceWorker.removeEventListener("message", heard);
        resolve((Date.now() - begin) / 1000);
      };
      navigator.serviceWorker.addEventListener("message", heard);
    });
    await call("PushSubscription/set", { update: { [s.id]: { test: id } } });
    try {
      setSaid(t("notice_test_came", { n: Math.round((await seconds) * 10) / 10 }));
    } catch (error) {
      setSaid((error as Error).message);
    }
  });
  return (
    <>
      <div class="part-buttons"><Button icon="bell" onClick={() => void test()}>{t("notice_test")}</Button></div>
      <p role="status">{said}</p>
    </>
  );
}

function What({ s, again }: { s: Subscription; again: () => void }) {
  const n: Notify = s.notify ?? { mailboxIds: null, preview: true };
  const [silent, setSilent] = useState<string[]>(() => JSON.parse(localStorage.getItem("postiljon-silent") ?? "[]"));
  const inbox = mailboxes.value.find((m) => m.role === "inbox")?.id ?? "";
  const wanted = n.mailboxIds ?? [inbox];
  const set = (wish: Partial<Notify>) => attempt(() => change(s, { ...n, ...wish }), t("is_saved")).then(again);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const quiet = (name: string, on: boolean) => {
    const all = on ? silent.filter((id) => id !== name) : [...silent, name];
    setSilent(all);
    localStorage.setItem("postiljon-silent", JSON.stringify(all));
    void keepPreferences();
  };
  return (
    <>
      <Part title={t("notice_folders")}>
        {mailboxes.value.filter((m) => !["sent", "drafts", "outbox", "trash"].includes(m.role ?? "")).map((m) => (
          <Row key={m.id} label={nameOf(m)}>
            {wanted.includes(m.id) && (
              <label class="check"><input type="checkbox" checked={!silent.includes(m.id)} onChange={(e) => quiet(m.id, e.currentTarget.checked)} /> {t("notice_sound")}</label>
            )}
            <Switch label={nameOf(m)} on={wanted.includes(m.id)} change={(on) => void set({ mailboxIds: on ? [...wanted, m.id] : wanted.filter((id) => id !== m.id) })} />
          </Row>
        ))}
      </Part>
      <Part title={t("notice_more")}>
        <Row label={t("notice_preview")} text={t("notice_preview_text")}>
          <Switch label={t("notice_preview")} on={n.preview} change={(on) => void set({ preview: on })} />
        </Row>
        <Row label={t("notice_quiet")} text={t("notice_quiet_text")}>
          <Switch label={t("notice_quiet")} on={!!n.quiet} change={(on) => void set({ quiet: on ? { from: "22:00", to: "07:00", timeZone: zone } : undefined })} />
        </Row>
        {n.quiet && (
          <div class="two-fields">
            <label class="field"><span>{t("away_from")}</span><input type="time" value={n.quiet.from} onChange={(e) => void set({ quiet: { ...n.quiet!, from: e.currentTarget.value } })} /></label>
            <label class="field"><span>{t("away_until")}</span><input type="time" value={n.quiet.to} onChange={(e) => void set({ quiet: { ...n.quiet!, to: e.currentTarget.value } })} /></label>
          </div>
        )}
      </Part>
    </>
  );
}

/** keepPreferences keeps for the worker what it cannot know: words in this language, and which folders make no sound. */
async function keepPreferences(): Promise<void> {
  const preferences = { newMail: t("notice_new_mail"), test: t("notice_test_text"), silent: JSON.parse(localStorage.getItem("postiljon-silent") ?? "[]") };
  await (await caches.open("pages")).put("/push-preferences", new Response(JSON.stringify(preferences)));
}
