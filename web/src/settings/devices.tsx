// Mail programs and phones: settings to copy, a code to scan, and what signed in lately. The shapes are those of internal/web/account.

import { api } from "../core/jmap";
import { narrow } from "../core/route";
import { t } from "../core/text";
import { Button, IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import { at, copy, Load, Part, useLoaded } from "./parts";

interface Devices {
  server: string;
  user: string;
  services: { protocol: string; port: string; security: string; outgoing?: boolean }[];
  profile: string;
  page: string;
  seen: { protocol: string; program?: string; password?: string; address: string; last: string; count: number; refused?: boolean; why?: string; action?: string }[];
}

export function DevicesPage() {
  const loaded = useLoaded(() => api<Devices>("GET", "/api/devices"));
  return (
    <>
      <h1>{t("settings_devices")}</h1>
      <Load of={loaded}>
        {(d) => {
          // One way in and one out is what nearly everybody needs.
          const usual = [d.services.find((s) => s.protocol === "IMAP" && s.security === "tls"), d.services.find((s) => s.outgoing && s.security === "tls")].filter((s) => s !== undefined);
          const others = d.services.filter((s) => !usual.includes(s));
          return <>
            <Part title={t("devices_phone")} text={narrow() ? t("devices_here_text") : t("devices_phone_text")}>
              {narrow() ? <details class="identity"><summary>{t("devices_another")}</summary><p class="soft">{t("devices_phone_text")}</p><Codes /></details> : <Codes />}
              <div class="part-buttons">
                <a class="button" href={d.profile} download>{t("devices_profile")}</a>
                <a class="button" href={`/doctor/watch?since=${encodeURIComponent(new Date().toISOString())}`}>{t("devices_watch")}</a>
                <a class="button" href="/settings/security">{t("app_password_add")}</a>
              </div>
            </Part>
            <Part title={t("devices_settings")} text={t("devices_settings_text")}>
              <dl class="copyable">
                <Copy label={t("devices_user")} value={d.user} />
                <Copy label={t("devices_server")} value={d.server} />
                {usual.map((s) => <Port key={s.port} s={s} />)}
              </dl>
              {others.length > 0 && (
                <details class="identity">
                  <summary>{t("devices_others")}</summary>
                  <dl class="copyable">{others.map((s) => <Port key={s.port} s={s} />)}</dl>
                </details>
              )}
            </Part>
            <Part title={t("devices_seen")} text={d.seen.length ? undefined : t("devices_none")}>
              <ul class="sign-ins">
                {d.seen.map((s, i) => (
                  <li key={i} class={s.refused ? "warn" : "good"}>
                    <Icon name={s.refused ? "circle-alert" : "circle-check"} />
                    <div>
                      <strong>{s.program || s.password || s.protocol}</strong>
                      <span class="soft">{[s.protocol, s.address, at(s.last)].join(" · ")}{s.why && <span class="why">{s.why} {s.action}</span>}</span>
                    </div>
                  </li>
                ))}
              </ul>
              <div class="part-buttons"><Button onClick={loaded.again} icon="refresh-cw">{t("look_again")}</Button></div>
            </Part>
          </>;
        }}
      </Load>
    </>
  );
}

function Codes() {
  return (
    <div class="qr-codes">
      <figure><img class="qr" src="/api/devices/qr.svg?what=profile" alt={t("devices_qr_apple")} width="180" height="180" /><figcaption>{t("devices_apple")}</figcaption></figure>
      <figure><img class="qr" src="/api/devices/qr.svg?what=page" alt={t("devices_qr_other")} width="180" height="180" /><figcaption>{t("devices_other")}</figcaption></figure>
    </div>
  );
}

function Port({ s }: { s: Devices["services"][number] }) {
  const way = `${t(s.outgoing ? "devices_outgoing" : "devices_incoming")} (${s.protocol}, ${s.security === "tls" ? "SSL/TLS" : "STARTTLS"}): ${t("devices_port")}`;
  return <Copy label={way} value={s.port} />;
}

function Copy({ label, value }: { label: string; value: string }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd><code>{value}</code> <IconButton icon="copy" label={t("copy_this", { what: value })} onClick={() => copy(value)} /></dd>
    </div>
  );
}
