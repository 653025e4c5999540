import { computed, signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { call, send, use } from "../core/jmap";
import { first } from "../core/first";
import { onChange } from "../core/mail";
import { number, size, t } from "../core/text";
import { later } from "./later";
import { store, stored } from "./state";

interface QuotaObject {
  resourceType: "count" | "octets";
  used: number;
  hardLimit: number;
}

const quota = signal<QuotaObject | undefined>(undefined);

/** nearly and full are from where on of the storage it is said that it ends. */
const nearly = 0.8;
const full = 0.95;

/** share is how full it is, as it was the last time until it is known. */
const share = computed(() => (quota.value ? quota.value.used / quota.value.hardLimit : Number(stored("quota") ?? 0)));
const capability = "urn:ietf:params:jmap:quota";

/** follow asks how full the account is (RFC 9425), now and after changes, if the server tells that. */
async function follow(): Promise<(() => void) | undefined> {
  const session = await send("/jmap/session").then((r) => r.json());
  if (!session.accounts?.[first.account.id]?.accountCapabilities?.[capability]) return undefined;
  use(capability);
  let soon: ReturnType<typeof setTimeout> | undefined;
  const ask = () => {
    soon = undefined;
    call<QuotaObject>("Quota/get", { ids: null }).then((a) => {
      quota.value = a.list.find((q) => q.resourceType === "octets" && q.hardLimit > 0);
      store("quota", String(share.peek()));
    }, () => {});
  };
  ask();
  const stop = onChange(() => (soon ??= setTimeout(ask, 3000)));
  return () => {
    stop();
    clearTimeout(soon);
  };
}

/** Quota is a meter at the foot of the folders. */
export function Quota() {
  useEffect(() => {
    let stop: (() => void) | undefined;
    let over = false;
    const soon = setTimeout(() => follow().then((s) => (over ? s?.() : (stop = s)), () => {}), 1500); // the list comes first
    return () => {
      over = true;
      clearTimeout(soon);
      stop?.();
    };
  }, []);
  const q = quota.value;
  if (!q) return null;
  return (
    <a class={`quota ${share.value > full ? "full" : ""}`} href="/settings/storage">
      <meter min={0} max={q.hardLimit} low={q.hardLimit * nearly} high={q.hardLimit * full} optimum={0} value={q.used} aria-label={t("storage")} />
      <span>{t("quota", { used: size(q.used), most: size(q.hardLimit), percent: number(Math.floor(share.value * 100)) })}</span>
    </a>
  );
}

/** QuotaNote says that there is no room for new mail, or soon none; how is loaded with what is seldom needed. */
export function QuotaNote() {
  const [Note, setNote] = useState<typeof import("./seldom").FullNote>();
  const over = share.value > full;
  useEffect(() => {
    if (over) void later((part) => setNote(() => part.FullNote));
  }, [over]);
  return over && Note ? <Note share={share.value} /> : null;
}
