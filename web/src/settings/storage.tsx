// Room: what takes how much, the largest messages, cleaning up, large files that were sent as links, and mail going out and
// coming in. The shapes are those of internal/web/account, files and move.

import { useEffect, useState } from "preact/hooks";
import { api } from "../core/jmap";
import { first } from "../core/first";
import { mailboxes } from "../core/mail";
import { briefDate, longDate, number, size, t } from "../core/text";
import { Button } from "../ui/button";
import { confirm } from "../ui/dialog";
import { toast } from "../ui/toast";
import { nameOf } from "../mail/names";
import { attempt, copy, Load, Part, Row, useLoaded } from "./parts";
import { Move } from "./move";

interface StorageTold {
  used: number;
  limit: number;
  emails: number;
  fullSince?: string;
  mailboxes: { id: string; name: string; role?: string; messages: number; size: number }[];
  largest: Message[];
  oldest: Message[];
}

interface Message {
  id: string;
  thread: string;
  mailbox: string;
  from: string;
  subject: string;
  received: string;
  size: number;
}

interface Cleaned {
  count: number;
  size: number;
  forever: boolean;
  token?: string;
  until?: string; // when it is done
}

interface FilesTold {
  files: { id: string; name: string; size: number; expires: string; over: boolean; whole: boolean; link?: { url: string; revoked?: string; downloads: number } }[];
  usage: { files: number; used: number };
}

export function StoragePage() {
  const loaded = useLoaded(() => api<StorageTold>("GET", "/api/storage"));
  const files = useLoaded(() => api<FilesTold>("GET", "/api/files"));
  return (
    <>
      <h1>{t("settings_storage")}</h1>
      <Load of={loaded}>
        {(s) => (
          <>
            <Room s={s} />
            <Clean s={s} again={loaded.again} />
            <Largest all={s.largest} />
          </>
        )}
      </Load>
      {(loaded.value ?? loaded.error) !== undefined && (
        <>
          <Load of={files}>{(f) => (f.files.length > 0 ? <LargeFiles told={f} again={files.again} /> : null)}</Load>
          <Move came={loaded.again} />
        </>
      )}
    </>
  );
}

/** worth is from which size on a message is worth a look, in octets. */
const worth = 100e3;

function Largest({ all }: { all: Message[] }) {
  const some = all.filter((m) => m.size >= worth).slice(0, 20);
  return (
    <Part title={t("largest")} text={some.length === 0 ? t("largest_none") : undefined}>
      <ul class="largest">
        {some.map((m) => (
          <li key={m.id}>
            <div>
              <a href={`/mail/${m.mailbox}/${m.thread}`}>{m.subject || t("no_subject")}</a>
              <span class="soft">{m.from.replace(/\s*<[^>]*>$/, "") || m.from} · {briefDate(new Date(m.received))}</span>
            </div>
            <strong>{size(m.size)}</strong>
          </li>
        ))}
      </ul>
    </Part>
  );
}

/** parts of the bar beyond these are shown as one. */
const mostParts = 6;

function Room({ s }: { s: StorageTold }) {
  const largest = s.mailboxes.filter((m) => m.size > 0).slice(0, mostParts);
  const whole = s.limit || s.used || 1;
  return (
    <Part title={t("room")} text={s.limit ? t("room_of", { used: size(s.used), limit: size(s.limit), n: s.emails }) : t("room_used", { used: size(s.used), n: s.emails })}>
      {(s.fullSince || (s.limit > 0 && s.used >= s.limit)) && (
        <p class="check-verdict warn">{s.fullSince ? t("room_full_since", { when: longDate(new Date(s.fullSince)) }) : t("room_full")} {t("room_full_waits")}</p>
      )}
      {largest.length > 0 && (
        <div class="bar" role="img" aria-label={largest.map((m) => `${nameHere(m)} ${size(m.size)}`).join(", ")}>
          {largest.map((m, i) => <span key={m.id} class={`hue-${(i * 5) % 12}`} style={{ width: `${(100 * m.size) / whole}%` }} />)}
        </div>
      )}
      <ul class="bar-parts">
        {s.mailboxes.map((m, i) => (
          <li key={m.id}>
            <span class={`dot ${i < mostParts ? `hue-${(i * 5) % 12}` : ""}`} aria-hidden="true" />
            <span>{nameHere(m)}</span>
            <span class="soft">{t("message_count", { n: m.messages })}</span>
            <strong>{size(m.size)}</strong>
          </li>
        ))}
      </ul>
    </Part>
  );
}

function nameHere(m: { id: string; name: string }): string {
  const known = mailboxes.value.find((x) => x.id === m.id);
  return known ? nameOf(known) : m.name;
}

function Clean({ s, again }: { s: StorageTold; again: () => void }) {
  const [mailbox, setMailbox] = useState(s.mailboxes[0]?.id ?? "");
  const [before, setBefore] = useState("");
  const clean = (what: { mailbox: string; before?: string }) => attempt(async () => {
    const preview = await api<Cleaned>("POST", "/api/storage/clean", { ...what, preview: true });
    if (preview.count === 0) {
      toast(t("clean_nothing"));
      return;
    }
    const said = t(preview.forever ? "clean_forever" : "clean_to_trash", { n: preview.count, size: size(preview.size) });
    if (!(await confirm(t("clean_sure"), said, t("clean_do"), true))) return;
    const done = await api<Cleaned>("POST", "/api/storage/clean", what);
    toast(t("clean_done", { n: done.count, size: size(done.size) }), {
      action: done.token && t("undo"),
      run: () => attempt(() => api("POST", "/api/storage/undo", { token: done.token }), t("clean_undone")),
    });
    if (done.until) setTimeout(again, new Date(done.until).getTime() - Date.now() + 1000); // until then all is where it was
  });
  return (
    <Part title={t("clean")} text={t("clean_text")}>
      {s.mailboxes.filter((m) => (m.role === "trash" || m.role === "junk") && m.messages > 0).map((m) => (
        <Row key={m.id} label={nameHere(m)} text={`${t("message_count", { n: m.messages })} · ${size(m.size)}`}>
          <Button onClick={() => void clean({ mailbox: m.id })}>{t("clean_empty")}</Button>
        </Row>
      ))}
      <form class="line-form" onSubmit={(e) => {
        e.preventDefault();
        void clean({ mailbox, before });
      }}>
        <label class="field">
          <span>{t("clean_folder")}</span>
          <select value={mailbox} onChange={(e) => setMailbox(e.currentTarget.value)}>{s.mailboxes.map((m) => <option key={m.id} value={m.id}>{nameHere(m)}</option>)}</select>
        </label>
        <label class="field"><span>{t("clean_before")}</span><input type="date" value={before} required onInput={(e) => setBefore(e.currentTarget.value)} /></label>
        <Button type="submit" disabled={!before || !mailbox}>{t("clean_look")}</Button>
      </form>
    </Part>
  );
}

function LargeFiles({ told, again }: { told: FilesTold; again: () => void }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 60e3);
    return () => clearInterval(timer);
  }, []);
  return (
    <Part title={t("large_files")} text={t("large_files_text", { n: told.usage.files, size: size(told.usage.used) })}>
      {told.files.map((f) => (
        <Row key={f.id} label={f.name} text={[
          size(f.size),
          f.over || f.link?.revoked ? t("large_over") : t("until", { when: longDate(new Date(f.expires)) }),
          f.link && t("large_downloads", { n: number(f.link.downloads) }),
        ].filter(Boolean).join(" · ")}>
          {f.link && !f.link.revoked && !f.over && (
            <>
              <Button icon="copy" onClick={() => copy(new URL(f.link!.url, `https://${first.origin}`).href)}>{t("large_copy")}</Button>
              <Button onClick={() => void attempt(() => api("DELETE", `/api/files/${f.id}/link`), t("large_revoked")).then(again)}>{t("large_revoke")}</Button>
            </>
          )}
          <Button onClick={() => void attempt(() => api("DELETE", `/api/files/${f.id}`)).then(again)}>{t("remove")}</Button>
        </Row>
      ))}
    </Part>
  );
}
