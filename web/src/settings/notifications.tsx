// Notifications: of this browser, switched on and off, for which folders, when not, with what in them; a test that shows
// the seconds; and the other devices that have them.

import { useEffect, useState } from "preact/hooks";
import { call, MethodError, send, use } from "../core/jmap";
import { mailboxes } from "../core/mail";
import { longDate, t } from "../core/text";
import { Button } from "../ui/button";
import { nameOf } from "../mail/names";
import { attempt, Load, Part, Row, Switch, useLoaded } from "./parts";

interface Subscription {
  id: string;
  deviceClientId: string;
  expires: string;
  verificationCode: string | null;
  notify: Notify | null;
}

interface Notify {
  mailboxIds: string[] | null;
  preview: boolean;
  quiet?: { from: string; to: string; timeZone: string };
}

const vapid = "urn:ietf:params:jmap:webpush-vapid";
use(vapid);

/** deviceId tells this browser from others of the account. */
function deviceId(): string {
  const key = "postiljon-device";
  let id = localStorage.getItem(key);
  if (!id) localStorage.setItem(key, (id = crypto.randomUUID()));
  return id;
}

const possible = "Notification" in globalThis && "serviceWorker" in navigator && "PushManager" in globalThis;

const list = () => call<{ list: Subscription[] }>("PushSubscription/get", { ids: null }).then((a) => a.list);

export function Notifications() {
  const loaded = useLoaded(list);
  const mine = loaded.value?.find((s) => s.deviceClientId.startsWith(deviceId()));
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
                    <Button onClick={() => void attempt(() => remove(s)).then(loaded.again)}>{t("remove")}</Button>
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
    if (!on) return mine && remove(mine);
    if ((await Notification.requestPermission()) !== "granted") {
      setBlocked(Notification.permission === "denied");
      throw new MethodError("forbidden", { description: t("notices_not_allowed") });
    }
    await subscribe();
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
  const set = (change: Partial<Notify>) => attempt(() => call("PushSubscription/set", { update: { [s.id]: { notify: { ...n, ...change } } } }), t("is_saved")).then(again);
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

/** subscribe makes this browser one that is told (RFC 8620 section 7.2); the worker's first message proves that it is heard. */
async function subscribe(): Promise<void> {
  const session = await (await send("/jmap/session")).json();
  const key: string = session.capabilities[vapid].applicationServerKey;
  const registration = await navigator.serviceWorker.ready;
  let subscription: PushSubscription;
  try {
    subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  } catch (cause) {
    throw new MethodError("unavailable", { description: t("notices_no_service"), cause });
  }
  const { endpoint, keys } = subscription.toJSON();
  await keepPreferences();
  const answer = await call("PushSubscription/set", {
    create: { n: { deviceClientId: `${deviceId()}|${nameOfBrowser()}`, url: endpoint, keys, types: ["EmailDelivery"], notify: { mailboxIds: null, preview: true } } },
  });
  const refused = answer.notCreated?.n;
  if (refused) {
    await subscription.unsubscribe();
    throw new MethodError(refused.type, refused);
  }
}

async function remove(s: Subscription): Promise<void> {
  await call("PushSubscription/set", { destroy: [s.id] });
  if (!s.deviceClientId.startsWith(deviceId())) return;
  const registration = await navigator.serviceWorker.getRegistration("/");
  await (await registration?.pushManager.getSubscription())?.unsubscribe();
}

/** confirmed tells the server the code that the worker was sent, now or before this page was open; it answers what stops it. */
function confirmed(again: () => void): () => void {
  const verify = async (told: any) => {
    await call("PushSubscription/set", { update: { [told.pushSubscriptionId]: { verificationCode: told.verificationCode } } });
    await (await caches.open("pages")).delete("/push-verification");
    again();
  };
  const heard = (e: MessageEvent) => {
    if (e.data?.verify) void verify(e.data.verify).catch(() => {});
  };
  navigator.serviceWorker?.addEventListener("message", heard);
  void globalThis.caches?.open("pages")
    .then(async (cache) => (await cache.match("/push-verification"))?.json())
    .then((told) => told && verify(told))
    .catch(() => {}); // it was confirmed, or is no longer there
  return () => navigator.serviceWorker?.removeEventListener("message", heard);
}

/** keepPreferences keeps for the worker what it cannot know: words in this language, and which folders make no sound. */
async function keepPreferences(): Promise<void> {
  const preferences = { newMail: t("notice_new_mail"), test: t("notice_test_text"), silent: JSON.parse(localStorage.getItem("postiljon-silent") ?? "[]") };
  await (await caches.open("pages")).put("/push-preferences", new Response(JSON.stringify(preferences)));
}

function nameOfBrowser(): string {
  const agent = navigator.userAgent;
  const browser = /Edg|OPR|Firefox|Chrome|Safari/.exec(agent)?.[0] ?? "";
  const system = /Android|iPhone|iPad|Windows|Mac OS|Linux/.exec(agent)?.[0] ?? "";
  return [{ Edg: "Edge", OPR: "Opera" }[browser] ?? browser, system.replace("Mac OS", "Mac")].filter(Boolean).join(", ");
}
