// The security of the account: password, second step, passkeys, passwords of mail programs, where somebody is signed in,
// and who tried to. The shapes are those of internal/web/security.

import { startRegistration, type PublicKeyCredentialCreationOptionsJSON } from "@simplewebauthn/browser";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { explain, say } from "../core/actions";
import { api, MethodError } from "../core/jmap";
import { narrow } from "../core/route";
import { number, t } from "../core/text";
import { Button } from "../ui/button";
import { confirm, Dialog, show } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { toast } from "../ui/toast";
import { Cancelled, fresh } from "./confirm";
import { at, copy, Load, Part, Row, Switch, useLoaded } from "./parts";

interface Overview {
  address: string;
  passwordChanged?: string;
  minPassword: number;
  twoStep: { on: boolean; since?: string; recovery: number };
  passkeysHere: boolean;
  passkeys: { id: string; name: string; created: string; lastUsed?: string }[];
  appPasswords: AppPassword[];
  sessions: { id: string; current?: boolean; browser?: string; system?: string; remote: string; created: string; lastUsed: string; method: string }[];
  connections: { protocol: string; program?: string; remote: string; since: string; lastUsed: string }[];
  signIns: SignIn[];
  notices: { newSignIn: boolean };
  recovery?: { address: string; since: string };
}

interface AppPassword {
  id: string;
  name: string;
  protocols: string[];
  created: string;
  lastUsed?: string;
  password?: string;
}

interface SignIn {
  ok: boolean;
  kind: string;
  protocol: string;
  client?: string;
  remote: string;
  here?: boolean;
  with?: string; // the name of the password of a program, or of a passkey
  first: string;
  last: string;
  count: number;
  why?: { title: string; text: string };
}

export function Security() {
  const loaded = useLoaded(() => api<Overview>("GET", "/api/security"));
  // act does something that changes the overview; what was refused is said in words.
  const act = async (work: () => Promise<unknown>, done?: string) => {
    try {
      await fresh(work);
      if (done) toast(done);
      return true;
    } catch (error) {
      if (!(error instanceof Cancelled)) say(error);
      return false;
    } finally {
      loaded.again();
    }
  };
  return (
    <>
      <h1>{t("settings_security")}</h1>
      <Load of={loaded}>
        {(o) => (
          <>
            <Part title={t("password")} text={o.passwordChanged ? t("password_changed", { when: at(o.passwordChanged) }) : undefined}>
              <div class="part-buttons"><Button onClick={() => void changePassword(o.minPassword, loaded.again)}>{t("password_change")}</Button></div>
            </Part>
            <Forgotten o={o} act={act} />
            <TwoStep o={o} act={act} />
            <Passkeys o={o} act={act} />
            <AppPasswords o={o} act={act} />
            <Sessions o={o} act={act} />
            <SignIns o={o} act={act} />
          </>
        )}
      </Load>
    </>
  );
}

type Act = (work: () => Promise<unknown>, done?: string) => Promise<boolean>;

function changePassword(min: number, again: () => void): Promise<unknown> {
  return show<void>((close) => <ChangePassword min={min} close={() => close()} done={() => {
    close();
    again();
  }} />);
}

function ChangePassword({ min, close, done }: { min: number; close: () => void; done: () => void }) {
  const [password, setPassword] = useState("");
  const [shown, setShown] = useState(false);
  const [said, setSaid] = useState("");
  const [busy, setBusy] = useState(false);
  const save = async (e: Event) => {
    e.preventDefault();
    setBusy(true);
    try {
      const check = await api<{ ok: boolean; text?: string }>("POST", "/api/security/password/check", { password });
      if (!check.ok) return setSaid(check.text ?? "");
      const { ended } = await fresh(() => api<{ ended: number }>("POST", "/api/security/password", { password }));
      toast(ended > 0 ? t("password_done_others", { n: ended }) : t("password_done"));
      done();
    } catch (error) {
      if (!(error instanceof Cancelled)) setSaid(error instanceof MethodError ? error.message : explain(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title={t("password_change")} onClose={close} actions={<>
      <Button onClick={close}>{t("cancel")}</Button>
      <Button primary disabled={busy || !password} onClick={(e) => void save(e)}>{t("save")}</Button>
    </>}>
      <form onSubmit={(e) => void save(e)}>
        <p class="soft">{t("password_advice", { n: min })}</p>
        <label class="field">
          <span>{t("password_new")}</span>
          <input type={(shown ? "text" : "password") as "password"} autocomplete="new-password" autofocus value={password} onInput={(e) => {
            setPassword(e.currentTarget.value);
            setSaid("");
          }} />
        </label>
        <label class="check"><input type="checkbox" checked={shown} onChange={(e) => setShown(e.currentTarget.checked)} /> {t("password_show")}</label>
        {said && <p class="wrong" role="alert">{said}</p>}
      </form>
    </Dialog>
  );
}

/** Forgotten is where a link goes to when the password is forgotten. */
function Forgotten({ o, act }: { o: Overview; act: Act }) {
  const set = async () => {
    const address = await show<string>((close) => <AskAddress close={close} />);
    if (address) await act(async () => {}, t("forgotten_done", { address }));
  };
  const remove = async (address: string) => {
    if (await confirm(t("forgotten_remove"), t("forgotten_remove_text", { address }), t("remove"), true)) await act(() => api("DELETE", "/api/security/recovery"));
  };
  const there = o.recovery;
  return (
    <Part title={t("forgotten")} text={t("forgotten_text")}>
      {there ? (
        <Row label={there.address} text={t("since", { when: at(there.since) })}>
          <Button onClick={() => void set()}>{t("forgotten_other")}</Button>
          <Button onClick={() => void remove(there.address)}>{t("remove")}</Button>
        </Row>
      ) : (
        <Row label={t("forgotten_none")}><Button icon="mail" onClick={() => void set()}>{t("forgotten_add")}</Button></Row>
      )}
    </Part>
  );
}

/** focus is for a field that comes while a dialog is open. */
const focus = (field: HTMLInputElement | null) => field?.focus();

/** AskAddress asks for the address, and then for the code that went there. */
function AskAddress({ close }: { close: (address?: string) => void }) {
  const [address, setAddress] = useState("");
  const [sent, setSent] = useState(false);
  const [code, setCode] = useState("");
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const digits = code.replace(/\s/g, "");
  const ready = sent ? digits.length === 6 : address.trim() !== "";
  const go = async (e: Event) => {
    e.preventDefault();
    if (!ready || busy) return;
    setBusy(true);
    setWrong("");
    try {
      if (!sent) {
        await fresh(() => api("POST", "/api/security/recovery/begin", { address: address.trim() }));
        setSent(true);
      } else {
        close((await api<{ address: string }>("POST", "/api/security/recovery", { code: digits })).address);
      }
    } catch (error) {
      if (error instanceof Cancelled) return;
      setWrong(error instanceof MethodError ? error.message : explain(error));
      if (error instanceof MethodError && error.detail.reason === "late") { // another one is sent from where the address is
        setSent(false);
        setCode("");
      }
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title={sent ? t("forgotten_code_title") : t("forgotten_add")} onClose={() => close()} actions={<>
      <Button onClick={() => close()}>{t("cancel")}</Button>
      <Button primary disabled={!ready || busy} onClick={(e) => void go(e)}>{t(sent ? "forgotten_code_do" : "forgotten_send")}</Button>
    </>}>
      <form onSubmit={(e) => void go(e)}>
        {sent ? (
          <>
            <p class="soft">{t("forgotten_code_text", { address: address.trim() })}</p>
            <label class="field">
              <span>{t("forgotten_code")}</span>
              <input key="code" inputMode="numeric" autocomplete="one-time-code" maxLength={8} ref={focus} value={code} onInput={(e) => setCode(e.currentTarget.value)} />
            </label>
          </>
        ) : (
          <label class="field">
            <span>{t("forgotten_address")}</span>
            <input key="address" type="email" autocomplete="email" maxLength={254} autofocus ref={focus} value={address} onInput={(e) => setAddress(e.currentTarget.value)} />
          </label>
        )}
        {wrong && <p class="wrong" role="alert">{wrong}</p>}
      </form>
    </Dialog>
  );
}

function TwoStep({ o, act }: { o: Overview; act: Act }) {
  const turn = async (on: boolean) => {
    if (on) {
      let setup: Setup | undefined;
      if (!(await act(async () => (setup = await api<Setup>("POST", "/api/security/two-step/begin")))) || !setup) return;
      const begun = setup;
      const codes = await show<string[]>((close) => <Enable setup={begun} close={close} />);
      if (codes) await showCodes(codes);
      return act(async () => {});
    }
    if (await confirm(t("two_step_off"), t("two_step_off_text"), t("two_step_off_do"), true)) {
      return act(() => api("DELETE", "/api/security/two-step"), t("two_step_off_done"));
    }
  };
  const renew = () => {
    let codes: string[] = [];
    return act(async () => (codes = (await api<{ recovery: string[] }>("POST", "/api/security/two-step/recovery")).recovery)).then((done) => done && showCodes(codes));
  };
  return (
    <Part title={t("two_step")} text={t("two_step_text")}>
      <Row label={o.twoStep.on ? t("two_step_is_on") : t("two_step_is_off")} text={o.twoStep.since && t("since", { when: at(o.twoStep.since) })}>
        <Switch label={t("two_step")} on={o.twoStep.on} change={(on) => void turn(on)} />
      </Row>
      {o.twoStep.on && (
        <Row label={t("recovery_codes")} text={t("recovery_left", { n: o.twoStep.recovery })}>
          <Button onClick={() => void renew()}>{t("recovery_new")}</Button>
        </Row>
      )}
    </Part>
  );
}

interface Setup {
  secret: string;
  uri: string;
  qr: string;
}

function Enable({ setup, close }: { setup: Setup; close: (codes?: string[]) => void }) {
  const [code, setCode] = useState("");
  const [wrong, setWrong] = useState("");
  const enable = async (e: Event) => {
    e.preventDefault();
    try {
      close((await fresh(() => api<{ recovery: string[] }>("POST", "/api/security/two-step/enable", { code: code.replace(/\s/g, "") }))).recovery);
    } catch (error) {
      if (!(error instanceof Cancelled)) setWrong(error instanceof MethodError ? error.message : explain(error));
    }
  };
  return (
    <Dialog title={t("two_step_setup")} onClose={() => close()} actions={<>
      <Button onClick={() => close()}>{t("cancel")}</Button>
      <Button primary disabled={code.replace(/\s/g, "").length < 6} onClick={(e) => void enable(e)}>{t("two_step_on_do")}</Button>
    </>}>
      <form onSubmit={(e) => void enable(e)}>
        <ol class="steps">
          <li>{t("two_step_step1")}</li>
          <li>
            {t("two_step_step2")}
            {narrow() && <p><a class="button" href={setup.uri}>{t("two_step_open")}</a></p>}
            <img class="qr" src={setup.qr} alt={t("two_step_qr")} width="200" height="200" />
            <details><summary>{t("two_step_no_camera")}</summary><code class="secret">{setup.secret}</code></details>
          </li>
          <li>
            <label class="field">
              <span>{t("two_step_step3")}</span>
              <input inputMode="numeric" autocomplete="one-time-code" maxLength={8} value={code} autofocus onInput={(e) => {
                setCode(e.currentTarget.value);
                setWrong("");
              }} />
            </label>
            {wrong && <p class="wrong" role="alert">{wrong}</p>}
          </li>
        </ol>
      </form>
    </Dialog>
  );
}

function showCodes(codes: string[]): Promise<unknown> {
  const text = codes.join("\n");
  return show<void>((close) => (
    <Dialog title={t("recovery_codes")} onClose={() => close()} actions={<>
      <Button icon="copy" onClick={() => copy(text)}>{t("copy")}</Button>
      <a class="button" download="postiljon.txt" href={`data:text/plain;charset=utf-8,${encodeURIComponent(`${text}\n`)}`}>{t("download")}</a>
      <Button primary onClick={() => close()}>{t("recovery_kept")}</Button>
    </>}>
      <p>{t("recovery_text")}</p>
      <ul class="codes">{codes.map((c) => <li key={c}><code>{c}</code></li>)}</ul>
    </Dialog>
  ));
}

function Passkeys({ o, act }: { o: Overview; act: Act }) {
  const add = () => act(async () => {
    const { publicKey } = await api<{ publicKey: PublicKeyCredentialCreationOptionsJSON }>("POST", "/api/security/passkeys/begin");
    let credential;
    try {
      credential = await startRegistration({ optionsJSON: publicKey });
    } catch {
      throw new Cancelled(); // the browser has said why
    }
    await api("POST", "/api/security/passkeys", { name: deviceName(), credential });
  }, t("passkey_done"));
  const rename = async (id: string, before: string) => {
    const name = await ask(t("passkey_name"), before);
    if (name) await act(() => api("PATCH", `/api/security/passkeys/${id}`, { name }));
  };
  const remove = async (id: string, name: string) => {
    if (await confirm(t("passkey_remove"), t("passkey_remove_text", { name }), t("remove"), true)) await act(() => api("DELETE", `/api/security/passkeys/${id}`));
  };
  return (
    <Part title={t("passkeys")} text={t("passkeys_text")}>
      {o.passkeys.map((k) => (
        <Row key={k.id} label={k.name} text={k.lastUsed ? t("last_used", { when: at(k.lastUsed) }) : t("never_used")}>
          <Button onClick={() => void rename(k.id, k.name)}>{t("passkey_rename")}</Button>
          <Button onClick={() => void remove(k.id, k.name)}>{t("remove")}</Button>
        </Row>
      ))}
      {o.passkeysHere && "PublicKeyCredential" in globalThis
        ? <div class="part-buttons"><Button icon="fingerprint" onClick={() => void add()}>{t("passkey_add")}</Button></div>
        : <p class="soft">{t("passkeys_not_here")}</p>}
    </Part>
  );
}

/** deviceName is what a passkey is called until somebody names it. */
function deviceName(): string {
  const system = /Android|iPhone|iPad|Windows|Mac OS|Linux/.exec(navigator.userAgent)?.[0] ?? "";
  return system.replace("Mac OS", "Mac") || t("passkey");
}

/** ask asks for a line of text. */
function ask(title: string, before = ""): Promise<string | undefined> {
  return show<string>((close) => <Ask title={title} before={before} close={close} />);
}

function Ask({ title, before, close }: { title: string; before: string; close: (text?: string) => void }) {
  const [text, setText] = useState(before);
  return (
    <Dialog title={title} onClose={() => close()} actions={<>
      <Button onClick={() => close()}>{t("cancel")}</Button>
      <Button primary disabled={!text.trim()} onClick={() => close(text.trim())}>{t("save")}</Button>
    </>}>
      <form onSubmit={(e) => {
        e.preventDefault();
        if (text.trim()) close(text.trim());
      }}>
        <label class="field"><span>{t("name")}</span><input autofocus maxLength={50} value={text} onInput={(e) => setText(e.currentTarget.value)} /></label>
      </form>
    </Dialog>
  );
}

function AppPasswords({ o, act }: { o: Overview; act: Act }) {
  const add = async () => {
    const name = await ask(t("app_password_for"));
    if (!name) return;
    let made: AppPassword | undefined;
    await act(async () => (made = await api<AppPassword>("POST", "/api/security/app-passwords", { name, protocols: ["imap", "pop3", "submission", "jmap"] })));
    if (made?.password) await showPassword(made.name, made.password);
  };
  const remove = async (p: AppPassword) => {
    if (await confirm(t("app_password_remove"), t("app_password_remove_text", { name: p.name }), t("remove"), true)) await act(() => api("DELETE", `/api/security/app-passwords/${p.id}`));
  };
  return (
    <Part title={t("app_passwords")} text={t("app_passwords_text")}>
      {o.appPasswords.map((p) => (
        <Row key={p.id} label={p.name} text={p.lastUsed ? t("last_used", { when: at(p.lastUsed) }) : t("never_used")}>
          <Button onClick={() => void remove(p)}>{t("remove")}</Button>
        </Row>
      ))}
      <div class="part-buttons"><Button icon="key-round" onClick={() => void add()}>{t("app_password_add")}</Button></div>
    </Part>
  );
}

function showPassword(name: string, password: string): Promise<unknown> {
  return show<void>((close) => (
    <Dialog title={t("app_password_title", { name })} onClose={() => close()} actions={<>
      <Button icon="copy" onClick={() => copy(password)}>{t("copy")}</Button>
      <Button primary onClick={() => close()}>{t("done")}</Button>
    </>}>
      <p>{t("app_password_once")}</p>
      <p><code class="secret">{password}</code></p>
    </Dialog>
  ));
}

function Sessions({ o, act }: { o: Overview; act: Act }) {
  const others = o.sessions.length > 1 || o.connections.length > 0;
  return (
    <Part title={t("sessions")} text={t("sessions_text")}>
      {o.sessions.map((s) => (
        <Row key={s.id} label={[s.browser, s.system].filter(Boolean).join(", ") || t("browser")} text={<>
          {s.current && <em class="here">{t("session_here")} · </em>}{s.remote} · {t("last_used", { when: at(s.lastUsed) })}
        </>}>
          {!s.current && <Button onClick={() => void act(() => api("DELETE", `/api/security/sessions/${s.id}`), t("signed_out"))}>{t("sign_out")}</Button>}
        </Row>
      ))}
      {o.connections.map((c, i) => <Row key={i} label={c.program || c.protocol} text={`${c.protocol} · ${c.remote} · ${t("since", { when: at(c.since) })}`} />)}
      {others && (
        <div class="part-buttons">
          <Button onClick={() => void act(() => api("DELETE", "/api/security/sessions"), t("signed_out_others"))}>{t("sign_out_others")}</Button>
        </div>
      )}
      <Row label={t("notice_new")} text={t("notice_new_text")}>
        <Switch label={t("notice_new")} on={o.notices.newSignIn} change={(on) => void act(() => api("POST", "/api/security/notices", { newSignIn: on }))} />
      </Row>
    </Part>
  );
}

function SignIns({ o, act }: { o: Overview; act: Act }) {
  const failed = o.signIns.filter((s) => !s.ok);
  const secure = async () => {
    if (await confirm(t("not_you"), t("not_you_text"), t("sign_out_others"))) {
      if (await act(() => api("DELETE", "/api/security/sessions"), t("signed_out_others"))) await changePassword(o.minPassword, () => void act(async () => {}));
    }
  };
  return (
    <Part title={t("sign_ins")} text={failed.length ? t("sign_ins_failed", { n: failed.reduce((n, s) => n + s.count, 0) }) : t("sign_ins_fine")}>
      <ul class="sign-ins">
        {o.signIns.slice(0, 40).map((s, i) => (
          <li key={i} class={s.ok ? "good" : "warn"}>
            <Icon name={s.ok ? "circle-check" : "circle-alert"} />
            <div>
              <strong>{s.ok ? t("sign_in_ok", { with: s.client || s.protocol }) : s.why?.title ?? t("sign_in_refused")}</strong>
              <Detail s={s} />
            </div>
          </li>
        ))}
      </ul>
      <div class="part-buttons"><Button onClick={() => void secure()}>{t("not_you")}</Button></div>
    </Part>
  );
}

function Detail({ s }: { s: SignIn }): ComponentChildren {
  const parts = [(!s.ok || s.client) && s.protocol, !s.ok && s.client, s.with, s.here ? t("from_here") : s.remote, at(s.last), s.count > 1 && t("times", { n: number(s.count) })];
  return (
    <span class="soft">
      {parts.filter(Boolean).join(" · ")}
      {s.why && <span class="why">{s.why.text}</span>}
    </span>
  );
}
