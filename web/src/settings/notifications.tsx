// Notifications: in this browser on or off, when not, with what in them, and a test that shows the seconds; for all browsers of the
// account what new mail sounds like, what the badge counts and which folders are told of; and the other devices that are told.

import { useEffect, useState } from "preact/hooks";
import { api, call, MethodError } from "../core/jmap";
import { alerts, counts, saving, tells, type Alerts, type Badge, type Sound } from "../core/alerts";
import { mailboxes, shared, type Mailbox } from "../core/mail";
import { longDate, t } from "../core/text";
import { Button } from "../ui/button";
import { nameOf, sharerName } from "../mail/names";
import { change, confirmed, devices, isHere, isMine, possible, subscribe, subscriptions, switchOff, Unreachable, unsubscribe, type Notify, type Subscription } from "../push/push";
import { mute, muted, play, sounds } from "../push/sound";
import { attempt, Load, Part, Row, Switch, useLoaded } from "./parts";

export function Notifications() {
  const loaded = useLoaded(() => Promise.all([subscriptions(), devices()]));
  const mine = loaded.value?.[0].find(isMine);
  useEffect(() => confirmed(loaded.again), []);
  return (
    <>
      <h1>{t("settings_notifications")}</h1>
      <Load of={loaded}>
        {([, all]) => (
          <>
            <Here mine={mine} again={loaded.again} />
            <Everywhere />
            {all.some((d) => !isHere(d)) && (
              <Part title={t("notice_devices")}>
                {all.filter((d) => !isHere(d)).map((d) => (
                  <Row key={d.id} label={d.name || t("browser")} text={t("since", { when: longDate(new Date(d.since)) })}>
                    <Button onClick={() => void attempt(() => switchOff(d), t("notice_device_off")).then(loaded.again)}>{t("switch_off")}</Button>
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
      {mine && <What s={mine} again={again} />}
      <Sounds />
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

/** What are the wishes of this browser alone. */
function What({ s, again }: { s: Subscription; again: () => void }) {
  const n: Notify = s.notify ?? { mailboxIds: null, preview: true };
  const set = (wish: Partial<Notify>) => attempt(() => change(s, { ...n, ...wish, mailboxIds: null }), t("is_saved")).then(again);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return (
    <>
      <Row label={t("notice_preview")} text={t("notice_preview_text")}>
        <Switch label={t("notice_preview")} on={n.preview} change={(on) => void set({ preview: on })} />
      </Row>
      <Row label={t("notice_quiet")} text={t("notice_quiet_text")}>
        <Switch label={t("notice_quiet")} on={!!n.quiet} change={(on) => void set({ quiet: on ? { from: "22:00", to: "07:00", timeZone: zone } : undefined })} />
      </Row>
      {n.quiet && (
        <div class="two-fields">
          <label class="field"><span>{t("quiet_from")}</span><input type="time" required value={n.quiet.from} onChange={(e) => e.currentTarget.value && void set({ quiet: { ...n.quiet!, from: e.currentTarget.value } })} /></label>
          <label class="field"><span>{t("quiet_until")}</span><input type="time" required value={n.quiet.to} onChange={(e) => e.currentTarget.value && void set({ quiet: { ...n.quiet!, to: e.currentTarget.value } })} /></label>
        </div>
      )}
    </>
  );
}

/** Sounds lets this browser make any. */
function Sounds() {
  const [on, set] = useState(!muted());
  const turn = (on: boolean) => {
    set(on);
    mute(!on);
    void keepPreferences();
  };
  return <Row label={t("sounds_here")} text={t("sounds_here_text")}><Switch label={t("sounds_here")} on={on} change={turn} /></Row>;
}

let saved: Promise<unknown> = Promise.resolve();

/** save shows what was chosen and has the server keep it, one after the other; what it refuses is taken back. */
function save(next: Alerts): void {
  const before = alerts.peek();
  alerts.value = next;
  saving.n++;
  saved = saved.then(() => attempt(() => api("PUT", "/api/alerts", next), t("is_saved"))).then((done) => {
    saving.n--;
    if (!done) alerts.value = before;
  });
}

/** Everywhere is what holds in all browsers of the account. */
function Everywhere() {
  const a = alerts.value;
  return (
    <Part title={t("alerts_everywhere")} text={t("alerts_everywhere_text")}>
      <SoundChoice label={t("sound")} value={a.sound} choose={(s) => save({ ...a, sound: s as Sound })} />
      <p class="soft">{t("sound_text")}</p>
      <label class="field">
        <span>{t("alerts_badge")}</span>
        <select value={a.badge} onChange={(e) => save({ ...a, badge: e.currentTarget.value as Badge })}>
          {(["number", "dot", "none"] as const).map((b) => <option key={b} value={b}>{t(`badge_${b}`)}</option>)}
        </select>
      </label>
      <h3>{t("alerts_folders")}</h3>
      {[...incoming(), ...shared.value.filter((m) => m.isSubscribed && m.myRights.mayReadItems)].map((m) => <Folder key={m.id} m={m} />)}
    </Part>
  );
}

/** Folder is what is noticed of one folder. */
function Folder({ m }: { m: Mailbox }) {
  const a = alerts.value;
  const chosen = a.folders[m.id] ?? {};
  const set = (wish: typeof chosen) => {
    const { [m.id]: _, ...rest } = a.folders;
    save({ ...a, folders: { ...rest, [m.id]: JSON.parse(JSON.stringify({ ...chosen, ...wish })) } }); // without what is undefined
  };
  const says = [tells(m) ? t("alerts_told") : t("alerts_not_told"), chosen.sound && t(`sound_${chosen.sound}`), counts(m) && a.badge !== "none" && t("alerts_counted")];
  return (
    <details class="identity">
      <summary><strong>{fullName(m)}</strong> <span class="soft">{says.filter(Boolean).join(" · ")}</span></summary>
      <Row label={t("alerts_tell")} text={t("alerts_tell_text")}>
        <Switch label={t("alerts_tell")} on={tells(m)} change={(on) => set({ tell: on })} />
      </Row>
      <Row label={t("alerts_count")}>
        <Switch label={t("alerts_count")} on={counts(m)} disabled={a.badge === "none"} change={(on) => set({ badge: on })} />
      </Row>
      <SoundChoice label={t("alerts_sound")} like value={chosen.sound ?? ""} heard={a.sound} choose={(s) => set({ sound: s || undefined })} />
    </details>
  );
}

/** fullName says whose a folder is, too, if another shares it. */
const fullName = (m: Mailbox): string => (m.sharer ? `${nameOf(m)} · ${sharerName(m.sharer)}` : nameOf(m));

/** incoming are the folders that new mail can come to. */
const incoming = () => mailboxes.value.filter((m) => !["sent", "drafts", "outbox", "trash"].includes(m.role ?? ""));

/** SoundChoice chooses a sound, which is heard at once; heard is that of all folders. */
function SoundChoice({ label, value, like, heard, choose }: { label: string; value: string; like?: boolean; heard?: Sound; choose: (s: Sound | "") => void }) {
  const chosen = (s: Sound | "") => {
    void play(s || heard!).catch(() => {}); // the browser has no sound
    choose(s);
  };
  return (
    <label class="field">
      <span>{label}</span>
      <select value={value} onChange={(e) => chosen(e.currentTarget.value as Sound | "")}>
        {like && <option value="">{t("sound_like_all")}</option>}
        {sounds.map((s) => <option key={s} value={s}>{t(`sound_${s}`)}</option>)}
      </select>
    </label>
  );
}

/** keepPreferences keeps for the worker what it cannot know: words in this language, and whether anything is to be heard here. */
async function keepPreferences(): Promise<void> {
  const preferences = { newMail: t("notice_new_mail"), test: t("notice_test_text"), mute: muted() };
  await (await caches.open("pages")).put("/push-preferences", new Response(JSON.stringify(preferences)));
}
