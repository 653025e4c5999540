// Notifications: of this browser, switched on and off, for which folders, when not, with what in them; a test that shows
// the seconds; the sound of new mail, for all folders and for single ones; and the other devices that have them.

import { useEffect, useState } from "preact/hooks";
import { call, MethodError } from "../core/jmap";
import { mailboxes, shared, type Mailbox } from "../core/mail";
import { longDate, t } from "../core/text";
import { Button } from "../ui/button";
import { nameOf, sharerName } from "../mail/names";
import { change, confirmed, isMine, possible, subscribe, subscriptions, Unreachable, unsubscribe, type Notify, type Subscription } from "../push/push";
import { forWorker, keep, play, sounds, wanted, type Sound } from "../push/sound";
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
            <Sounds />
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
  const inbox = mailboxes.value.find((m) => m.role === "inbox")?.id ?? "";
  const told = n.mailboxIds ?? [inbox];
  const set = (wish: Partial<Notify>) => attempt(() => change(s, { ...n, ...wish }), t("is_saved")).then(again);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return (
    <>
      <Part title={t("notice_folders")}>
        {[...incoming(), ...shared.value.filter((m) => m.isSubscribed && m.myRights.mayReadItems)].map((m) => (
          <Row key={m.id} label={fullName(m)}>
            <Switch label={fullName(m)} on={told.includes(m.id)} change={(on) => void set({ mailboxIds: on ? [...told, m.id] : told.filter((id) => id !== m.id) })} />
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
            <label class="field"><span>{t("quiet_from")}</span><input type="time" value={n.quiet.from} onChange={(e) => void set({ quiet: { ...n.quiet!, from: e.currentTarget.value } })} /></label>
            <label class="field"><span>{t("quiet_until")}</span><input type="time" value={n.quiet.to} onChange={(e) => void set({ quiet: { ...n.quiet!, to: e.currentTarget.value } })} /></label>
          </div>
        )}
      </Part>
    </>
  );
}

/** fullName says whose a folder is, too, if another shares it. */
const fullName = (m: Mailbox): string => (m.sharer ? `${nameOf(m)} · ${sharerName(m.sharer)}` : nameOf(m));

/** incoming are the folders that new mail can come to. */
const incoming = () => mailboxes.value.filter((m) => !["sent", "drafts", "outbox", "trash"].includes(m.role ?? ""));

/** Sounds chooses what new mail sounds like; what is chosen is heard at once. */
function Sounds() {
  const [w, set] = useState(wanted);
  const choose = (now: typeof w, sound: Sound) => {
    set(now);
    keep(now);
    void play(sound).catch(() => {}); // the browser has no sound
    void keepPreferences();
  };
  const other = incoming().filter((m) => w.folders[m.id]).length;
  return (
    <Part title={t("sound")} text={t("sound_text")}>
      <Choice label={t("sound_all")} value={w.all} choose={(s) => choose({ ...w, all: s as Sound }, s as Sound)} />
      <details class="identity">
        <summary>{other > 0 ? t("sound_folders_n", { n: other }) : t("sound_folders")}</summary>
        {incoming().filter((m) => m.role !== "junk").map((m) => (
          <Choice key={m.id} label={nameOf(m)} like value={w.folders[m.id] ?? ""} choose={(s) => {
            const { [m.id]: _, ...rest } = w.folders;
            choose({ ...w, folders: s ? { ...rest, [m.id]: s } : rest }, s || w.all);
          }} />
        ))}
      </details>
    </Part>
  );
}

function Choice({ label, value, like, choose }: { label: string; value: string; like?: boolean; choose: (s: Sound | "") => void }) {
  return (
    <label class="field">
      <span>{label}</span>
      <select value={value} onChange={(e) => choose(e.currentTarget.value as Sound | "")}>
        {like && <option value="">{t("sound_like_all")}</option>}
        {sounds.map((s) => <option key={s} value={s}>{t(`sound_${s}`)}</option>)}
      </select>
    </label>
  );
}

/** keepPreferences keeps for the worker what it cannot know: words in this language, and which folders make no sound. */
async function keepPreferences(): Promise<void> {
  const preferences = { newMail: t("notice_new_mail"), test: t("notice_test_text"), ...forWorker() };
  await (await caches.open("pages")).put("/push-preferences", new Response(JSON.stringify(preferences)));
}
