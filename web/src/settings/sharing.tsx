// Sharing: which folders others of the domain may use, and how, and what they share. The shapes are those of internal/web/account.

import { useState } from "preact/hooks";
import { api, call, MethodError, of } from "../core/jmap";
import { first } from "../core/first";
import { fetchMailboxes, shared, sharers } from "../core/mail";
import { t } from "../core/text";
import { Button } from "../ui/button";
import { confirm } from "../ui/dialog";
import { roleOrder } from "../mail/names";
import { Cancelled, fresh } from "./confirm";
import { attempt, Load, Part, Row, Switch, useLoaded } from "./parts";

type Level = "read" | "write" | "post" | "owner" | "";

interface Who {
  who: string;
  name?: string;
  level: Level;
  rights: string;
}

interface Folder {
  id: string;
  name: string;
  role?: string;
  with: Who[];
}

interface Theirs {
  owner: string;
  name?: string;
  id: string;
  folder: string;
  role?: string;
  level: Level;
  rights: string;
  listed: boolean;
  shown: boolean;
}

interface Told {
  folders: Folder[];
  withMe: Theirs[];
  domain: string;
}

const levels: Level[] = ["read", "write", "post", "owner"];

const folderName = (name: string, role?: string): string => (role && roleOrder.includes(role) ? t(`mailbox_${role}`) : name);

const levelName = (w: { level: Level; rights: string }): string => (w.level ? t(`share_${w.level}`) : w.rights === "lr" ? t("share_quiet") : t("share_other", { rights: w.rights }));

export function Sharing() {
  const loaded = useLoaded(() => api<Told>("GET", "/api/sharing"), [sharers.value, shared.value]); // what others share shows at once
  return (
    <>
      <h1>{t("settings_sharing")}</h1>
      <Load of={loaded}>
        {(told) => (
          <>
            <Mine told={told} set={loaded.set} />
            <Share told={told} set={loaded.set} />
            <WithMe told={told} again={loaded.again} />
          </>
        )}
      </Load>
    </>
  );
}

/** put changes what a folder gives to somebody. Who gives rights proves who he is, unless he just did. */
const put = (folder: string, who: string, level: Level): Promise<Told> => fresh(() => api<Told>("PUT", "/api/sharing", { folder, with: who, level }));

function Mine({ told, set }: { told: Told; set: (told: Told) => void }) {
  const shared = told.folders.filter((f) => f.with.length > 0);
  const change = async (f: Folder, w: Who, level: Level) => {
    if (level === "" && !(await confirm(t("share_stop_title", { folder: folderName(f.name, f.role) }), t("share_stop_text", { who: nameOf(w, told.domain) }), t("share_stop"), true))) return;
    await attempt(() => put(f.id, w.who, level).then(set, (error) => {
      if (!(error instanceof Cancelled)) throw error;
    }), t("is_saved"));
  };
  return (
    <Part title={t("share_mine")} text={shared.length ? undefined : t("share_none")}>
      {shared.map((f) => (
        <section key={f.id} class="shared-folder">
          <h3>{folderName(f.name, f.role)}</h3>
          {f.with.map((w) => (
            <Row key={w.who} label={nameOf(w, told.domain)} text={w.name ? w.who : undefined}>
              {levels.includes(w.level) && !w.who.startsWith("-")
                ? <label class="share-level"><span class="hidden">{t("share_how")}</span><select value={w.level} onChange={(e) => void change(f, w, e.currentTarget.value as Level)}>{levels.map((l) => <option key={l} value={l}>{t(`share_${l}`)}</option>)}</select></label>
                : <span class="soft">{w.who.startsWith("-") ? t("share_taken", { rights: w.rights }) : levelName(w)}</span>}
              <button type="button" class="button" aria-label={t("share_stop_with", { who: nameOf(w, told.domain), folder: folderName(f.name, f.role) })} onClick={() => void change(f, w, "")}>{t("share_stop")}</button>
            </Row>
          ))}
        </section>
      ))}
    </Part>
  );
}

const nameOf = (w: Who, domain: string): string => (w.who.replace(/^-/, "") === "anyone" ? t("share_anyone", { domain }) : w.name || w.who.replace(/^-/, ""));

/** posted is the address of a folder, for those who may send to it. */
const posted = (f: Folder): string => first.account.address.replace("@", `+${f.name.toLowerCase().replaceAll(" ", "_")}@`);

function Share({ told, set }: { told: Told; set: (told: Told) => void }) {
  const [folder, setFolder] = useState(told.folders.find((f) => !f.role)?.id ?? told.folders[0]?.id ?? "");
  const [who, setWho] = useState("");
  const [level, setLevel] = useState<Level>("read");
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const one = told.folders.find((f) => f.id === folder);
  if (!one) return null;
  const share = async () => {
    setBusy(true);
    setWrong("");
    const written = async () => {
      try {
        set(await put(folder, who.trim(), level));
        setWho("");
      } catch (error) {
        if (error instanceof Cancelled) return;
        if (!(error instanceof MethodError) || error.detail.status !== 422) throw error;
        setWrong(error.message);
      }
    };
    await attempt(written);
    setBusy(false);
  };
  return (
    <Part title={t("share_new")} text={t("share_new_text", { domain: told.domain })}>
      <form onSubmit={(e) => {
        e.preventDefault();
        void share();
      }}>
        <label class="field"><span>{t("share_folder_field")}</span>
          <select value={folder} onChange={(e) => setFolder(e.currentTarget.value)}>{told.folders.map((f) => <option key={f.id} value={f.id}>{folderName(f.name, f.role)}</option>)}</select>
        </label>
        <label class="field"><span>{t("share_with")}</span>
          <input value={who} placeholder={t("share_example", { domain: told.domain })} inputMode="email" autocomplete="off" autocapitalize="off" spellcheck={false} aria-invalid={!!wrong} aria-describedby="share-wrong" onInput={(e) => setWho(e.currentTarget.value)} />
        </label>
        <p id="share-wrong" class="wrong" role="alert">{wrong}</p>
        <fieldset class="share-levels">
          <legend>{t("share_how")}</legend>
          {levels.map((l) => (
            <label key={l} class="share-choice">
              <input type="radio" name="share-level" checked={level === l} onChange={() => setLevel(l)} />
              <span><strong>{t(`share_${l}`)}</strong> <span class="soft">{t(`share_${l}_text`, { address: posted(one) })}</span></span>
            </label>
          ))}
        </fieldset>
        <div class="part-buttons"><Button primary type="submit" disabled={busy || !who.trim()}>{t("share_do")}</Button></div>
      </form>
    </Part>
  );
}

function WithMe({ told, again }: { told: Told; again: () => void }) {
  const show = (m: Theirs, on: boolean) => attempt(async () => {
    const answer = await call("Mailbox/set", { ...of(m.id), update: { [m.id]: { isSubscribed: on } } });
    const refused = answer.notUpdated?.[m.id];
    if (refused) throw new MethodError(refused.type, refused);
    if (sharers.peek().some((s) => s.id === of(m.id).accountId)) await fetchMailboxes(of(m.id).accountId);
  }, t("is_saved")).then(again);
  return (
    <Part title={t("share_theirs")} text={told.withMe.length ? t("share_theirs_text") : t("share_theirs_none")}>
      {told.withMe.map((m) => (
        <Row key={m.id} label={folderName(m.folder, m.role)} text={<>{m.name ? `${m.name} · ${m.owner}` : m.owner}<br />{levelName(m)}</>}>
          {m.listed && <Switch label={t("share_show", { folder: folderName(m.folder, m.role), who: m.name || m.owner })} on={m.shown} change={(on) => void show(m, on)} />}
        </Row>
      ))}
    </Part>
  );
}
