// Mail goes out as one download, and comes in from a file or from another provider, as a job that is shown while it runs.

import { useEffect, useState } from "preact/hooks";
import { api, problem, send } from "../core/jmap";
import { mailboxes } from "../core/mail";
import { longDate, number, size, t } from "../core/text";
import { Button } from "../ui/button";
import { nameOf } from "../mail/names";
import { attempt, Part, Row, useLoaded } from "./parts";

interface Job {
  id: string;
  kind: "import" | "fetch";
  state: "running" | "done" | "failed" | "cancelled" | "interrupted";
  name: string;
  created: string;
  progress: { mailbox?: string; messages: number; messagesTotal: number; octets: number; octetsTotal: number; imported: number; skipped: number; failed: number };
  secondsLeft?: number;
  failures: { where: string; why: string }[];
  refusal?: { title: string; text: string; action?: string };
}

export function Move() {
  const [mailbox, setMailbox] = useState("");
  const jobs = useLoaded(() => api<{ jobs: Job[] }>("GET", "/api/jobs").then((a) => a.jobs));
  return (
    <>
      <Part title={t("take_out")} text={t("take_out_text")}>
        <label class="field">
          <span>{t("take_out_which")}</span>
          <select value={mailbox} onChange={(e) => setMailbox(e.currentTarget.value)}>
            <option value="">{t("take_out_all")}</option>
            {mailboxes.value.map((m) => <option key={m.id} value={m.id}>{nameOf(m)}</option>)}
          </select>
        </label>
        <div class="part-buttons">
          <a class="button" href={`/api/export?format=mbox&mailbox=${mailbox}`} download>{t("take_out_mbox")}</a>
          <a class="button" href={`/api/export?format=maildir&mailbox=${mailbox}`} download>{t("take_out_maildir")}</a>
        </div>
      </Part>
      <Part title={t("bring_in")} text={t("bring_in_text")}>
        <FromFile begun={jobs.again} />
        <FromProvider begun={jobs.again} />
        <ul class="jobs">{(jobs.value ?? []).map((j) => <OneJob key={j.id} job={j} again={jobs.again} />)}</ul>
      </Part>
    </>
  );
}

function FromFile({ begun }: { begun: () => void }) {
  const [share, setShare] = useState<number>();
  const bring = (file: File) => attempt(async () => {
    setShare(0);
    try {
      const id = await up(file, setShare);
      await api("POST", "/api/import", { file: id, into: "" });
      begun();
    } finally {
      setShare(undefined);
    }
  });
  return (
    <Row label={t("bring_file")} text={share === undefined ? t("bring_file_text") : t("bring_file_going", { n: Math.round(share * 100) })}>
      <label class="button">
        {t("bring_choose")}
        <input class="hidden" type="file" accept=".mbox,.zip,.eml,application/mbox,application/zip,message/rfc822" disabled={share !== undefined} onChange={(e) => {
          const file = e.currentTarget.files?.[0];
          if (file) void bring(file);
          e.currentTarget.value = "";
        }} />
      </label>
    </Row>
  );
}

/** piece is how much goes up in a request, in octets. */
const piece = 8 << 20;

/** up sends a file up in pieces (tus) and answers its id; a piece that fails is tried again a few times. */
async function up(file: File, progress: (share: number) => void): Promise<string> {
  const base64 = (s: string) => btoa(String.fromCharCode(...new TextEncoder().encode(s)));
  const tus = { "Tus-Resumable": "1.0.0" };
  const created = await send("/files/", { method: "POST", headers: { ...tus, "Upload-Length": String(file.size), "Upload-Metadata": `filename ${base64(file.name)}` } });
  if (!created.ok) throw await problem(created);
  const url = created.headers.get("Location")!;
  for (let offset = 0, failures = 0; offset < file.size;) {
    try {
      const response = await send(url, {
        method: "PATCH", headers: { ...tus, "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" }, body: file.slice(offset, offset + piece),
      });
      if (!response.ok) throw await problem(response);
      offset = Number(response.headers.get("Upload-Offset"));
      failures = 0;
      progress(offset / file.size);
    } catch (error) {
      if (++failures > 5) throw error;
      await new Promise((go) => setTimeout(go, 1000 * 2 ** failures));
      const head = await send(url, { method: "HEAD", headers: tus }).catch(() => undefined);
      if (head?.ok) offset = Number(head.headers.get("Upload-Offset"));
    }
  }
  return url.split("/").filter(Boolean).at(-1)!;
}

function FromProvider({ begun }: { begun: () => void }) {
  const [open, setOpen] = useState(false);
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [found, setFound] = useState<{ found: boolean; host?: string; port?: number; tls?: string; user?: string; provider?: string; appPassword?: string; appPasswordUrl?: string; enableUrl?: string }>();
  const [host, setHost] = useState("");
  const look = () => attempt(async () => {
    const settings = await api("GET", `/api/import/imap/settings?address=${encodeURIComponent(user)}`);
    setFound(settings);
    setHost(settings.host ?? "");
  });
  const begin = (e: Event) => {
    e.preventDefault();
    if (!found) return void look();
    void attempt(async () => {
      await api("POST", "/api/import/imap", { host, port: found.port ?? 0, tls: found.tls ?? "tls", user: found.user || user, password, into: "" });
      setPassword("");
      setOpen(false);
      begun();
    });
  };
  if (!open) {
    return <Row label={t("bring_provider")} text={t("bring_provider_text")}><Button onClick={() => setOpen(true)}>{t("begin")}</Button></Row>;
  }
  return (
    <form onSubmit={begin} class="bring">
      <label class="field"><span>{t("bring_address")}</span><input type="email" required value={user} onInput={(e) => {
        setUser(e.currentTarget.value);
        setFound(undefined);
      }} /></label>
      {found && (
        <>
          {!found.found && <p class="soft">{t("bring_not_found")}</p>}
          {found.appPasswordUrl && <p class="soft">{t("bring_app_password", { provider: found.provider ?? host })} <a href={found.appPasswordUrl} target="_blank" rel="noopener noreferrer">{found.appPasswordUrl}</a></p>}
          <label class="field"><span>{t("devices_server")}</span><input required value={host} autocapitalize="none" spellcheck={false} onInput={(e) => setHost(e.currentTarget.value)} /></label>
          <label class="field"><span>{t("bring_password")}</span><input type="password" required autocomplete="off" value={password} onInput={(e) => setPassword(e.currentTarget.value)} /></label>
        </>
      )}
      <div class="part-buttons">
        <Button type="submit" primary>{t(found ? "bring_start" : "go_on")}</Button>
        <Button onClick={() => setOpen(false)}>{t("cancel")}</Button>
      </div>
    </form>
  );
}

function OneJob({ job: begins, again }: { job: Job; again: () => void }) {
  const [job, setJob] = useState(begins);
  useEffect(() => setJob(begins), [begins]);
  useEffect(() => {
    if (begins.state !== "running") return;
    const source = new EventSource(`/api/jobs/${begins.id}/events`);
    source.addEventListener("job", (e) => {
      const now: Job = JSON.parse((e as MessageEvent).data);
      setJob(now);
      if (now.state !== "running") {
        source.close();
        again();
      }
    });
    return () => source.close();
  }, [begins.id, begins.state]);
  const p = job.progress;
  const share = p.messagesTotal ? p.messages / p.messagesTotal : p.octetsTotal ? p.octets / p.octetsTotal : undefined;
  return (
    <li class="job">
      <div class="setting-text">
        <strong>{job.name}</strong>
        <span class="soft">
          {t(`job_${job.state}`)} · {t("job_counts", { imported: number(p.imported), skipped: number(p.skipped), failed: number(p.failed) })} · {size(p.octets)}
          {job.state === "running" && p.mailbox && ` · ${p.mailbox}`}
          {job.state === "running" && job.secondsLeft ? ` · ${t("job_left", { n: Math.ceil(job.secondsLeft / 60) })}` : ` · ${longDate(new Date(job.created))}`}
        </span>
        {job.refusal && <span class="wrong">{job.refusal.title}. {job.refusal.text} {job.refusal.action}</span>}
        {job.failures.length > 0 && (
          <details><summary>{t("job_failures", { n: job.failures.length })}</summary><ul>{job.failures.map((f, i) => <li key={i}>{f.where}: {f.why}</li>)}</ul></details>
        )}
        {job.state === "running" && <progress value={share} max={1} aria-label={job.name} />}
      </div>
      {job.state === "running" && <Button onClick={() => void attempt(() => api("DELETE", `/api/jobs/${job.id}`)).then(again)}>{t("cancel")}</Button>}
    </li>
  );
}
