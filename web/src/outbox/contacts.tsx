// Contacts: the address book, and those one wrote to.

import { useEffect, useState } from "preact/hooks";
import { compose } from "../compose/open";
import { explain, say } from "../core/actions";
import { api, problem, send } from "../core/jmap";
import { briefDate, t } from "../core/text";
import { Button, IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import { Dialog, show } from "../ui/dialog";
import { MenuButton, type MenuItem } from "../ui/menu";
import { toast } from "../ui/toast";

/** Contact is one of the address book. */
interface Contact {
  id: string;
  name?: string;
  addresses: string[];
  note?: string;
}

/** Recent is somebody written to. */
interface Recent {
  address: string;
  name?: string;
  count: number;
  last: string;
  /** why says that there is no such address. */
  why?: string;
}

interface Known {
  contacts: Contact[];
  recents: Recent[];
}

/** shownAtOnce is how many rows are in the page before somebody asks for more. */
const shownAtOnce = 200;

type Tab = "contacts" | "recents";

/** Doing is what is done with contacts; what goes wrong is said. */
interface Doing {
  edit: (c: Contact) => void;
  remove: (c: Contact) => void;
  forget: (r: Recent) => void;
}

export function Contacts() {
  const { known, error, load, ...doing } = useContacts();
  const [tab, setTab] = useState<Tab>("contacts");
  const [text, setText] = useState("");
  const [most, setMost] = useState(shownAtOnce);
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const has = (...parts: (string | undefined)[]) => words.every((w) => parts.join(" ").toLowerCase().includes(w));
  const contacts = known?.contacts.filter((c) => has(c.name, ...c.addresses)) ?? [];
  const recents = known?.recents.filter((r) => has(r.name, r.address)) ?? [];
  const rows = tab === "contacts" ? contacts : recents;
  const more = (): MenuItem[] => [
    { label: t("contacts_import"), icon: "upload", run: () => importCards(load) },
    { label: t("contacts_export"), icon: "download", run: () => location.assign("/api/contacts/export") },
  ];
  return (
    <>
      <div class="list-head contacts-head">
        <h1>{t("contacts")}</h1>
        <span class="gap" />
        <Button icon="plus" onClick={() => doing.edit({ id: "", addresses: [""] })}>{t("contact_new")}</Button>
        <MenuButton label={t("more")} items={more} />
      </div>
      <div class="contacts" id="list" tabIndex={-1}>
        <Tabs tab={tab} choose={setTab} />
        <input class="contacts-search" type="search" placeholder={t("contacts_search")} aria-label={t("contacts_search")} value={text} onInput={(e) => setText(e.currentTarget.value)} />
        <div id="contact-rows" role="tabpanel" aria-labelledby={`tab-${tab}`}>
          {error !== undefined && !known && <div class="nothing" role="alert"><p>{explain(error)}</p><Button onClick={load}>{t("try_again")}</Button></div>}
          {!known && error === undefined && <p class="nothing">{t("loading")}</p>}
          {known && !rows.length && <div class="nothing"><Icon name="book-user" /><p>{t(text ? "contacts_none_found" : tab === "contacts" ? "contacts_empty" : "contacts_recent_empty")}</p></div>}
          <ul>
            {tab === "contacts" && contacts.slice(0, most).map((c) => <ContactRow key={c.id} c={c} {...doing} />)}
            {tab === "recents" && recents.slice(0, most).map((r) => <RecentRow key={r.address} r={r} {...doing} />)}
          </ul>
          {rows.length > most && <p class="contacts-more"><Button onClick={() => setMost(most + shownAtOnce)}>{t("contacts_more", { n: rows.length - most })}</Button></p>}
        </div>
      </div>
    </>
  );
}

/** useContacts has those that are known, and changes them at the server. */
function useContacts(): Doing & { known: Known | undefined; error: unknown; load: () => void } {
  const [known, setKnown] = useState<Known>();
  const [error, setError] = useState<unknown>();
  const load = () => void api<Known>("GET", "/api/contacts").then((k) => {
    setKnown(k);
    setError(undefined);
  }, setError);
  useEffect(load, []);
  const save = (c: Contact) => api("POST", "/api/contacts", { contacts: [c] }).then(load);
  const edit = async (c: Contact) => {
    const done = await show<Contact>((close) => <Edit contact={c} close={close} />);
    if (done) await save(done);
  };
  const remove = async (c: Contact) => {
    await api("DELETE", `/api/contacts/${encodeURIComponent(c.id)}`);
    load();
    toast(t("contact_removed", { name: nameOf(c) }), { action: t("undo"), run: () => void save({ ...c, id: "" }).catch(say) });
  };
  const forget = async (r: Recent) => {
    await api("DELETE", `/api/contacts/recent?address=${encodeURIComponent(r.address)}`);
    setKnown((k) => k && { ...k, recents: k.recents.filter((x) => x !== r) });
  };
  return { known, error, load, edit: (c) => void edit(c).catch(say), remove: (c) => void remove(c).catch(say), forget: (r) => void forget(r).catch(say) };
}

const nameOf = (c: Contact): string => c.name || c.addresses[0] || "";

const write = (address: string, name?: string): void => void compose({ to: [{ name: name || null, email: address }] });

function Tabs({ tab, choose }: { tab: Tab; choose: (tab: Tab) => void }) {
  const keys = (e: KeyboardEvent) => {
    if (e.key !== "ArrowRight" && e.key !== "ArrowLeft") return;
    choose(tab === "contacts" ? "recents" : "contacts");
    requestAnimationFrame(() => document.querySelector<HTMLElement>(".contacts [role=tab][aria-selected=true]")?.focus());
  };
  return (
    <div class="tabs" role="tablist" aria-label={t("contacts")}>
      {(["contacts", "recents"] as const).map((x) => (
        <button key={x} type="button" role="tab" id={`tab-${x}`} aria-selected={tab === x} aria-controls="contact-rows" tabIndex={tab === x ? 0 : -1} onClick={() => choose(x)} onKeyDown={keys}>
          {t(x === "contacts" ? "contacts_all" : "contacts_recent")}
        </button>
      ))}
    </div>
  );
}

function ContactRow({ c, edit, remove }: Doing & { c: Contact }) {
  const name = nameOf(c);
  return (
    <li class="contact">
      <button type="button" class="contact-who" onClick={() => edit(c)}><strong>{name}</strong><span class="soft">{c.name ? c.addresses.join(", ") : ""}</span></button>
      {c.addresses[0] && <IconButton icon="square-pen" label={t("contact_write", { name })} onClick={() => write(c.addresses[0]!, c.name)} />}
      <IconButton icon="trash-2" label={t("contact_remove", { name })} onClick={() => remove(c)} />
    </li>
  );
}

function RecentRow({ r, edit, forget }: Doing & { r: Recent }) {
  const name = r.name || r.address;
  return (
    <li class="contact">
      <button type="button" class="contact-who" onClick={() => write(r.address, r.name)}>
        <strong>{name}</strong><span class="soft">{r.name ? `${r.address} · ` : ""}{t("contact_last", { when: briefDate(new Date(r.last)) })}</span>{r.why && <span class="why">{r.why}</span>}
      </button>
      <IconButton icon="plus" label={t("contact_add", { name })} onClick={() => edit({ id: "", name: r.name, addresses: [r.address] })} />
      <IconButton icon="x" label={t("remove_suggestion", { name })} onClick={() => forget(r)} />
    </li>
  );
}

function Edit({ contact, close }: { contact: Contact; close: (c?: Contact) => void }) {
  const [name, setName] = useState(contact.name ?? "");
  const [addresses, setAddresses] = useState(contact.addresses.join("\n"));
  const [note, setNote] = useState(contact.note ?? "");
  const list = addresses.split(/[\n,;]/).map((a) => a.trim()).filter(Boolean);
  const ok = list.length > 0 && list.every((a) => /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(a));
  return (
    <Dialog title={t(contact.id ? "contact_edit" : "contact_new")} onClose={() => close()}>
      <form class="form" onSubmit={(e) => {
        e.preventDefault();
        if (ok) close({ ...contact, name: name.trim(), addresses: list, note });
      }}>
        <label>{t("contact_name")}<input value={name} autofocus autocomplete="off" onInput={(e) => setName(e.currentTarget.value)} /></label>
        <label>{t("contact_addresses")}<textarea rows={2} value={addresses} spellcheck={false} onInput={(e) => setAddresses(e.currentTarget.value)} /></label>
        <label>{t("contact_note")}<textarea rows={2} value={note} onInput={(e) => setNote(e.currentTarget.value)} /></label>
        <div class="dialog-buttons"><Button primary type="submit" disabled={!ok}>{t("contact_save")}</Button></div>
      </form>
    </Dialog>
  );
}

/** importCards takes contacts from a file of vCards. */
function importCards(then: () => void): void {
  const input = document.createElement("input");
  input.type = "file";
  input.accept = ".vcf,text/vcard";
  input.onchange = async () => {
    const file = input.files?.[0];
    if (!file) return;
    try {
      const response = await send("/api/contacts/import", { method: "POST", body: file, headers: { "Content-Type": "text/vcard" } });
      if (!response.ok) throw await problem(response);
      const done: { added: number; known: number; skipped: number } = await response.json();
      toast(t("contacts_imported", { n: done.added, known: done.known }));
      then();
    } catch (error) {
      say(error);
    }
  };
  input.click();
}
