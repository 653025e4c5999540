import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call, send, use } from "../core/jmap";
import { first } from "../core/first";
import { onChange } from "../core/mail";
import { number, size, t } from "../core/text";

interface QuotaObject {
  resourceType: "count" | "octets";
  used: number;
  hardLimit: number;
}

const quota = signal<QuotaObject | undefined>(undefined);
const capability = "urn:ietf:params:jmap:quota";

/** follow asks how full the account is (RFC 9425), now and after changes, if the server tells that. */
async function begin(): Promise<(() => void) | undefined> {
  const session = await send("/jmap/session").then((r) => r.json());
  if (!session.accounts?.[first.account.id]?.accountCapabilities?.[capability]) return undefined;
  use(capability);
  let soon: ReturnType<typeof setTimeout> | undefined;
  const ask = () => {
    soon = undefined;
    call("Quota/get", { ids: null }).then((a) => (quota.value = a.list.find((q: QuotaObject) => q.resourceType === "octets" && q.hardLimit > 0)), () => {});
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
    const later = setTimeout(() => begin().then((s) => (over ? s?.() : (stop = s)), () => {}), 1500);
    return () => {
      over = true;
      clearTimeout(later);
      stop?.();
    };
  }, []);
  const q = quota.value;
  if (!q) return null;
  const full = q.used / q.hardLimit;
  return (
    <a class={`quota ${full > 0.95 ? "full" : full > 0.8 ? "nearly" : ""}`} href="/settings/storage">
      <meter min={0} max={q.hardLimit} high={q.hardLimit * 0.8} value={q.used} aria-label={t("storage")} />
      <span>{t("quota", { used: size(q.used), most: size(q.hardLimit), percent: number(Math.round(full * 100)) })}</span>
    </a>
  );
}
