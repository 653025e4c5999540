// Mail goes out as one download, and comes in from a file or from another provider, as a job that is shown while it runs.

import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { api, MethodError } from "../core/jmap";
import { mailboxes } from "../core/mail";
import { number, size, t } from "../core/text";
import { create, offsetOf, patch } from "../files/tus";
import { Button, IconButton } from "../ui/button";
import { nameOf } from "../mail/names";
import { at, attempt, Part, Row, useLoaded } from "./parts";

interface Job {
  id: string;
  kind: "import" | "fetch";
  state: "running" | "done" | "failed" | "cancelled" | "interrupted";
  name: string;
  created: string;
  progress: { mailbox?: string; messages: number; messagesTotal: number; octets: number; octetsTotal: number; imported: number; skipped: number; failed: number };
  secondsLeft?: number;
  failures: { where: string; why: string }[];
  refusal?: { cause: string; title: string; text: string; action?: string };
  host?: string;
  user?: string;
  appPasswordUrl?: string;
}

interface Found {
  found: boolean;
  host?: string;
  port?: number;
  tls?: string;
  user?: string;
  provider?: string;
  appPassword?: string;
  appPasswordUrl?: string;
  enableUrl?: string;
  noPassword?: boolean;
}

/** Move has come called when a job ended: it may have brought mail. */
export function Move({ came }: { came: () => void }) {
  const [mailbox, setMailbox] = useState("");
  const jobs = useLoaded(() => api<{ jobs: Job[] }>("GET", "/api/jobs").then((a) => a.jobs));
  const [again, setAgain] = useState<{ job: Job; times: number }>(); // what is to be fetched once more
  const begunHere = useRef(false);
  const begun = () => {
    begunHere.current = true;
    jobs.again();
  };
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
        <FromFile begun={begun} />
        <FromProvider key={again?.times} from={again?.job} begun={begun} />
        <ul class="jobs">{current(jobs.value ?? []).map((j) => <OneJob key={j.id} job={j} show={begunHere.current} again={() => {
          jobs.again();
          came();
        }} retry={() => setAgain({ job: j, times: (again?.times ?? 0) + 1 })} />)}</ul>
      </Part>
    </>
  );
}

/** going is the file that is on its way up, on whatever page one is meanwhile. */
const going = signal<{ name: string; share: number; stop: () => void } | undefined>(undefined);

function FromFile({ begun }: { begun: () => void }) {
  const now = going.value;
  const went = useRef(false);
  useEffect(() => {
    if (!now && went.current) begun();
    went.current = !!now;
  }, [!now]);
  return (
    <Row label={t("bring_file")} text={now ? t("bring_file_going", { name: now.name, n: Math.floor(now.share * 100) }) : t("bring_file_text")}>
      {now ? <Button onClick={now.stop}>{t("cancel")}</Button> : (
        <label class="button">
          {t("bring_choose")}
          <input class="hidden" type="file" accept=".mbox,.zip,.eml,application/mbox,application/zip,message/rfc822" onChange={(e) => {
            const file = e.currentTarget.files?.[0];
            if (file) void bring(file);
            e.currentTarget.value = "";
          }} />
        </label>
      )}
    </Row>
  );
}

/** bring sends a file up and has it taken in. The browser asks before it leaves the page meanwhile. */
async function bring(file: File): Promise<void> {
  const stopped = new AbortController();
  const stop = () => {
    stopped.abort();
    going.value = undefined;
  };
  const tell = (share: number) => {
    if (!stopped.signal.aborted) going.value = { name: file.name, share, stop };
  };
  const stay = (e: Event) => e.preventDefault();
  addEventListener("beforeunload", stay);
  tell(0);
  await attempt(async () => {
    const id = await up(file, stopped.signal, tell);
    if (stopped.signal.aborted) await api("DELETE", `/api/files/${id}`);
    else await api("POST", "/api/import", { file: id, into: "" });
  });
  removeEventListener("beforeunload", stay);
  if (!stopped.signal.aborted) going.value = undefined;
}

/** up sends a file up in pieces, until it is stopped, and answers its id; a piece that fails is tried again a few times. */
async function up(file: File, stopped: AbortSignal, progress: (share: number) => void): Promise<string> {
  const url = await create(file);
  for (let offset = 0, failures = 0; offset < file.size && !stopped.aborted;) {
    try {
      offset = await patch(url, file, offset, (octets) => progress(octets / file.size), (stop) => stopped.addEventListener("abort", stop));
      failures = 0;
    } catch (error) {
      if (stopped.aborted) break;
      if ((error instanceof MethodError && (error.detail.status ?? 500) < 500) || ++failures > 5) throw error;
      await new Promise((go) => setTimeout(go, 1000 * 2 ** failures));
      offset = await offsetOf(url).catch(() => offset);
    }
  }
  return url.split("/").filter(Boolean).at(-1)!;
}

function FromProvider({ from, begun }: { from?: Job; begun: () => void }) {
  const [open, setOpen] = useState(!!from);
  const [user, setUser] = useState(from?.user ?? "");
  const [password, setPassword] = useState("");
  const [found, setFound] = useState<Found>();
  const [host, setHost] = useState("");
  const [busy, setBusy] = useState(false);
  const box = useRef<HTMLFormElement>(null);
  const look = async () => {
    setBusy(true);
    await attempt(async () => {
      const settings = await api<Found>("GET", `/api/import/imap/settings?address=${encodeURIComponent(user)}`);
      setFound(settings);
      setHost(settings.host ?? from?.host ?? "");
    });
    setBusy(false);
  };
  useEffect(() => {
    if (from) void look();
    if (open) box.current?.scrollIntoView({ block: "nearest" });
  }, []);
  // What is asked for comes into the focus: the server where it is not known, else the password.
  useEffect(() => {
    if (found && !found.noPassword) box.current?.querySelector<HTMLInputElement>(host ? "[type=password]" : "[name=host]")?.focus();
  }, [found]);
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
  const own = found?.appPassword === "always" || !!found?.appPasswordUrl;
  return (
    <form ref={box} onSubmit={begin} class="bring">
      <label class="field"><span>{t("bring_address")}</span><input type="email" required autofocus autocomplete="off" value={user} onInput={(e) => {
        setUser(e.currentTarget.value);
        setFound(undefined);
      }} /></label>
      {busy && <p class="soft" role="status">{t("bring_looking")}</p>}
      {found?.noPassword && <p class="check-verdict warn" role="alert">{t("bring_no_password", { provider: found.provider ?? host })}</p>}
      {found && !found.noPassword && (
        <>
          {!found.found && <p class="check-verdict warn" role="status">{t("bring_not_found")}</p>}
          {own && (
            <p class="check-verdict">
              {t("bring_app_password", { provider: found.provider ?? host })} {found.appPasswordUrl && <a href={found.appPasswordUrl} target="_blank" rel="noopener noreferrer">{t("bring_app_password_make")}</a>}
            </p>
          )}
          {found.enableUrl && <p class="soft">{t("bring_enable", { provider: found.provider ?? host })} <a href={found.enableUrl} target="_blank" rel="noopener noreferrer">{t("bring_enable_how")}</a></p>}
          <label class="field"><span>{t("devices_server")}</span><input name="host" required value={host} placeholder="imap.example.org" autocapitalize="none" spellcheck={false} onInput={(e) => setHost(e.currentTarget.value)} /></label>
          <label class="field"><span>{t(own ? "bring_password_app" : "bring_password")}</span><input type="password" required autocomplete="off" value={password} onInput={(e) => setPassword(e.currentTarget.value)} /></label>
        </>
      )}
      <div class="part-buttons">
        {!found?.noPassword && <Button type="submit" primary disabled={busy}>{t(found ? "bring_start" : "go_on")}</Button>}
        <Button onClick={() => setOpen(false)}>{t("cancel")}</Button>
      </div>
    </form>
  );
}

/** nowhere are the causes that mean, to whoever typed the name of a server, that it is not the right one. */
const nowhere = ["provider.imap-down", "client.wrong-host", "dns.host-misspelt"];

/** ofProvider is what some causes mean at another provider; the catalogue speaks of this one. */
function ofProvider(cause: string, host: string): [string, string] | undefined {
  if (nowhere.includes(cause)) return [t("bring_nowhere", { host }), t("bring_nowhere_text")];
  if (cause === "auth.password-wrong") return [t("bring_refused"), t("bring_refused_text")];
  if (cause === "auth.app-password-required") return [t("bring_refused"), t("bring_refused_app")];
}

/** current leaves out what went wrong with a fetch that was begun again since. */
const current = (jobs: Job[]): Job[] =>
  jobs.filter((j, i) => j.kind !== "fetch" || j.state === "done" || !jobs.slice(0, i).some((later) => later.kind === "fetch" && later.name === j.name));

/** Refused says why a job stopped, and what to do. */
function Refused({ job, retry }: { job: Job; retry: () => void }) {
  const r = job.refusal!;
  const fetch = job.kind === "fetch";
  const [title, text] = (fetch && ofProvider(r.cause, job.host ?? "")) || [r.title, `${r.text} ${r.action ?? ""}`];
  return (
    <div class="check-verdict warn">
      <strong>{title}</strong>
      <p>{text}</p>
      {job.appPasswordUrl && <p><a href={job.appPasswordUrl} target="_blank" rel="noopener noreferrer">{t("bring_app_password_make")}</a></p>}
      {fetch && <Button onClick={retry}>{t("try_again")}</Button>}
    </div>
  );
}

function OneJob({ job: begins, show, again, retry }: { job: Job; show: boolean; again: () => void; retry: () => void }) {
  const [job, setJob] = useState(begins);
  const line = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (show && begins.state === "running") line.current?.scrollIntoView({ block: "nearest" }); // the form that it was begun in is gone
  }, []);
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
  const end = () => void attempt(() => api("DELETE", `/api/jobs/${job.id}`)).then(again); // what ended is forgotten
  const p = job.progress;
  const halted = job.kind === "fetch" && (job.state === "cancelled" || job.state === "interrupted");
  const share = p.messagesTotal ? p.messages / p.messagesTotal : p.octetsTotal ? p.octets / p.octetsTotal : undefined;
  return (
    <li class="job" ref={line}>
      <div class="setting-text">
        <strong>{job.name}</strong>
        <span class="soft">
          {t(`job_${job.state}`)}{p.octets > 0 && ` · ${t("job_counts", { imported: number(p.imported), skipped: number(p.skipped), failed: number(p.failed) })} · ${size(p.octets)}`}
          {job.state === "running" && p.mailbox && ` · ${p.mailbox}`}
          {job.state === "running" && job.secondsLeft ? ` · ${t("job_left", { n: Math.ceil(job.secondsLeft / 60) })}` : ` · ${at(job.created)}`}
        </span>
        {job.refusal && <Refused job={job} retry={retry} />}
        {halted && <div class="part-buttons"><Button onClick={retry}>{t("go_on")}</Button></div>}
        {job.failures.length > 0 && (
          <details><summary>{t("job_failures", { n: job.failures.length })}</summary><ul>{job.failures.map((f, i) => <li key={i}>{f.where}: {f.why}</li>)}</ul></details>
        )}
        {job.state === "running" && <progress value={share} max={1} aria-label={job.name} />}
      </div>
      {job.state === "running" ? <Button onClick={end}>{t("cancel")}</Button> : <IconButton icon="x" label={t("job_forget")} onClick={end} />}
    </li>
  );
}
