// Who somebody is here: name, language, addresses; and what stands below what he writes.

import { useEffect, useRef, useState } from "preact/hooks";
import { api, call, refused, use } from "../core/jmap";
import { t } from "../core/text";
import { Button } from "../ui/button";
import { confirm } from "../ui/dialog";
import { attempt, Load, Part, Row, useLoaded, useUnsaved } from "./parts";

interface Profile {
  address: string;
  name: string;
  language: string;
  zone: string;
  aliases: string[];
  groups: string[];
  roles: string[];
  created: string;
}

interface Identity {
  id: string;
  name: string;
  email: string;
  replyTo: { name: string | null; email: string }[] | null;
  textSignature: string;
  htmlSignature: string;
  mayDelete: boolean;
}

use("urn:ietf:params:jmap:submission");

/** languages are the names of the languages, each in itself. */
const languages: [id: string, name: string][] = [["sv", "Svenska"], ["nb", "Norsk bokmål"], ["en", "English"]];

export function Account() {
  const profile = useLoaded(() => api<Profile>("GET", "/api/account"));
  return (
    <>
      <h1>{t("settings_account")}</h1>
      <Load of={profile}>{(p) => <You p={p} saved={profile.set} />}</Load>
      {(profile.value ?? profile.error) !== undefined && <Identities key={profile.value?.name} own={profile.value ? [profile.value.address, ...profile.value.aliases] : []} />}
    </>
  );
}

function You({ p, saved }: { p: Profile; saved: (p: Profile) => void }) {
  const [name, setName] = useState(p.name);
  const put = async (change: Partial<Profile>) => {
    const done = await attempt(async () => saved(await api<Profile>("PUT", "/api/account", change)), t("is_saved"));
    if (done && change.language !== undefined) location.reload(); // every word is another one
  };
  return (
    <>
      <Part title={t("your_name")} text={t("your_name_text", { address: p.address })}>
        <form class="line-form" onSubmit={(e) => {
          e.preventDefault();
          void put({ name: name.trim() });
        }}>
          <label class="field"><span>{t("name")}</span><input value={name} maxLength={200} autocomplete="name" onInput={(e) => setName(e.currentTarget.value)} /></label>
          <Button type="submit" primary disabled={name.trim() === p.name}>{t("save")}</Button>
        </form>
      </Part>
      <Part title={t("language")}>
        <label class="field">
          <span>{t("language_of")}</span>
          <select value={p.language} onChange={(e) => void put({ language: e.currentTarget.value })}>
            <option value="">{t("language_browser")}</option>
            {languages.map(([id, n]) => <option key={id} value={id} lang={id}>{n}</option>)}
          </select>
        </label>
        <label class="field">
          <span>{t("zone")}</span>
          <select value={p.zone} onChange={(e) => void put({ zone: e.currentTarget.value })}>
            <option value="">{t("zone_browser")}</option>
            {zones(p.zone).map((z) => <option key={z} value={z}>{z.replaceAll("_", " ")}</option>)}
          </select>
        </label>
      </Part>
      <Part title={t("addresses")} text={t("addresses_text")}>
        <Row label={p.address} text={t("address_own")} />
        {p.aliases.map((a) => <Row key={a} label={a} text={t("address_alias")} />)}
        {p.groups.map((a) => <Row key={a} label={a} text={t("address_group")} />)}
        {p.roles.map((a) => <Row key={a} label={a} text={t("address_role")} />)}
      </Part>
    </>
  );
}

function zones(own: string): string[] {
  const all = Intl.supportedValuesOf?.("timeZone"); // older browsers have none
  return all?.includes(own) || !own ? (all ?? []) : [own, ...(all ?? [])];
}

function Identities({ own }: { own: string[] }) {
  const [adding, setAdding] = useState(false);
  const loaded = useLoaded(async () => (await call<Identity>("Identity/get", { ids: null })).list);
  const set = (args: Record<string, unknown>) => attempt(async () => {
    const answer = await call("Identity/set", args);
    const error = refused(answer);
    if (error) throw error;
    setAdding(false);
    loaded.again();
  }, t("is_saved"));
  return (
    <Part title={t("identities")} text={t("identities_text")}>
      <Load of={loaded}>
        {(list) => (
          <>
            {list.map((i) => <OneIdentity key={i.id} i={i} save={(change) => set({ update: { [i.id]: change } })} remove={() => set({ destroy: [i.id] })} />)}
            {adding
              ? <NewIdentity own={own.length ? own : list.map((i) => i.email)} name={list[0]?.name ?? ""} add={(n) => set({ create: { n } })} cancel={() => setAdding(false)} />
              : <div class="part-buttons"><Button icon="plus" onClick={() => setAdding(true)}>{t("identity_add")}</Button></div>}
          </>
        )}
      </Load>
    </Part>
  );
}

/** NewIdentity asks for the address, which stays as it is, and the name. */
function NewIdentity({ own, name: before, add, cancel }: { own: string[]; name: string; add: (i: { email: string; name: string }) => Promise<boolean>; cancel: () => void }) {
  const [email, setEmail] = useState(own[0] ?? "");
  const [name, setName] = useState(before);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => form.current?.querySelector<HTMLElement>("select, input")?.focus(), []);
  return (
    <form ref={form} class="bring" onSubmit={(e) => {
      e.preventDefault();
      void add({ email, name: name.trim() });
    }}>
      <label class="field">
        <span>{t("identity_address")}</span>
        <select value={email} onChange={(e) => setEmail(e.currentTarget.value)}>{own.map((a) => <option key={a} value={a}>{a}</option>)}</select>
      </label>
      <label class="field"><span>{t("name")}</span><input value={name} maxLength={200} autocomplete="name" onInput={(e) => setName(e.currentTarget.value)} /></label>
      <div class="part-buttons">
        <Button type="submit" primary disabled={!email}>{t("save")}</Button>
        <Button onClick={cancel}>{t("cancel")}</Button>
      </div>
    </form>
  );
}

function OneIdentity({ i, save, remove }: { i: Identity; save: (change: object) => Promise<boolean>; remove: () => Promise<boolean> }) {
  const [name, setName] = useState(i.name);
  const [signature, setSignature] = useState(i.textSignature);
  const [reply, setReply] = useState(i.replyTo?.[0]?.email ?? "");
  const changed = name !== i.name || signature !== i.textSignature || reply !== (i.replyTo?.[0]?.email ?? "");
  useUnsaved(changed);
  const submit = (e: Event) => {
    e.preventDefault();
    // The plain signature is the one that is written here; one made of it stands in messages with rich text. One that another program
    // made, such as with a picture, stays until somebody writes here.
    const signed = signature !== i.textSignature ? { textSignature: signature, htmlSignature: "" } : {};
    void save({ name, ...signed, replyTo: reply.trim() ? [{ name: null, email: reply.trim() }] : null });
  };
  const ask = async () => {
    if (await confirm(t("identity_remove"), t("identity_remove_text"), t("remove"), true)) await remove();
  };
  return (
    <details class="identity">
      <summary><strong>{i.name || i.email}</strong> <span class="soft">{i.name && i.email}</span></summary>
      <form onSubmit={submit}>
        <label class="field"><span>{t("name")}</span><input value={name} maxLength={200} onInput={(e) => setName(e.currentTarget.value)} /></label>
        <label class="field"><span>{t("reply_to")}</span><input type="email" value={reply} placeholder={i.email} onInput={(e) => setReply(e.currentTarget.value)} /></label>
        <label class="field"><span>{t("signature")}</span><textarea rows={4} value={signature} maxLength={10000} onInput={(e) => setSignature(e.currentTarget.value)} /></label>
        {i.htmlSignature && <p class="soft">{t("signature_rich")}</p>}
        <div class="part-buttons">
          <Button type="submit" primary disabled={!changed}>{t("save")}</Button>
          {i.mayDelete && <Button onClick={() => void ask()}>{t("remove")}</Button>}
        </div>
      </form>
    </details>
  );
}
