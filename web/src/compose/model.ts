// A message while it is written. It is kept in the browser at once and at the server every few seconds, where exactly one
// message in Drafts shows it.

import { batch, computed, effect, signal } from "@preact/signals";
import { roleMailbox } from "../core/actions";
import { call, MethodError, refused } from "../core/jmap";
import { keepNot, keepThat } from "../core/kept";
import { fetchMailboxes, onChange } from "../core/mail";
import { first } from "../core/first";
import { t } from "../core/text";
import type { Chip } from "./addresses";
import { build, type Ready } from "./build";
import { download, up, type Attached } from "./files";
import { identities, type Identity } from "./identity";
import { draftLock } from "./open";
import type { Part, Quote } from "./quote";

/** Saved is how well what was typed is kept. */
type Saved = "nothing" | "here" | "saving" | "saved" | "line" | "refused";

/** Answering is the email that is answered or forwarded, and the keyword that it gets once that is sent. */
interface Answering {
  emailId: string;
  keyword: "$answered" | "$forwarded";
}

/** saveAfter is how long after a change the server gets it. */
const saveAfter = 3000;
/** keepAfter is how long after a change the browser keeps it. */
const keepAfter = 150;

export class Draft {
  readonly key: string;
  readonly identity = signal<Identity | undefined>(undefined);
  readonly to = signal<Chip[]>([]);
  readonly cc = signal<Chip[]>([]);
  readonly bcc = signal<Chip[]>([]);
  readonly subject = signal("");
  readonly rich = signal(true);
  /** html and text are what was written, in the form that rich tells; read asks the editor for them. */
  html = "";
  text = "";
  readonly quote = signal<Quote | undefined>(undefined);
  readonly files = signal<Attached[]>([]);
  inReplyTo: string[] = [];
  references: string[] = [];
  answering: Answering | undefined;
  /** instead is the message of the Outbox that failed, in whose place this one goes. */
  instead: string | undefined;
  /** messageId stays the same in all versions, so that none is sent twice and none is left over. */
  messageId = `${crypto.randomUUID()}@${first.account.address.split("@").at(-1)}`;
  /** emailId is the draft at the server, "" for none. */
  emailId = "";
  readonly saved = signal<Saved>("nothing");
  readonly refusal = signal("");
  /** conflict says that somebody else changed or removed the draft at the server. */
  readonly conflict = signal(false);
  /** before is the rich text from which plain text was made, to go back to as long as that was not changed. */
  before: { html: string; text: string } | undefined;
  /** read is set by the editor: it brings html or text up to date. */
  read: () => void = () => {};
  /** version rises with every change. */
  private version = 0;
  private savedVersion = 0;
  private keepTimer: ReturnType<typeof setTimeout> | undefined;
  private saveTimer: ReturnType<typeof setTimeout> | undefined;
  private saving: Promise<void> | undefined;
  private uncertain = false; // a save may have been done whose answer is not known
  private closed = false;
  private stop: (() => void)[] = [];

  constructor(key: string = crypto.randomUUID()) {
    this.key = key;
  }

  /** begin follows what is changed from now on. */
  begin(): void {
    for (const s of this.stop.splice(0)) s(); // of a window that was closed
    this.stop.push(hold(this.key));
    let firstRun = true;
    this.stop.push(effect(() => {
      void [this.identity.value, this.to.value, this.cc.value, this.bcc.value, this.subject.value, this.rich.value, this.quote.value, this.files.value];
      if (!firstRun) this.touch();
      firstRun = false;
    }));
    this.stop.push(onChange(() => void this.check()));
  }

  /** check looks whether the draft at the server is still ours. */
  private async check(): Promise<void> {
    const id = this.emailId;
    if (!id || this.saving || this.conflict.peek()) return;
    const answer = await call("Email/get", { ids: [id], properties: ["id"] }).catch(() => undefined);
    if (answer?.notFound?.length && this.emailId === id && !this.saving && !this.closed) this.conflict.value = true;
  }

  /** uploading tells whether files are on their way. */
  readonly uploading = computed(() => this.files.value.some((a) => a.state.value === "going" || a.state.value === "paused"));

  /** size is about what the message has: what is attached grows by a third on its way. */
  readonly size = computed(() => this.files.value.filter((a) => !a.link && !a.upload).reduce((sum, a) => sum + Math.ceil(a.size * 1.37) + 500, 20_000));

  /** isEmpty tells whether there is nothing in it. */
  isEmpty(): boolean {
    this.read();
    const written = this.rich.peek() ? this.html.replace(/<(?!img)[^>]*>|&nbsp;|\s|\u200b/g, "") : this.text.trim();
    const signature = this.identity.peek();
    const own = this.rich.peek() ? (signature?.htmlSignature ?? "").replace(/<(?!img)[^>]*>|&nbsp;|\s/g, "") || (signature?.textSignature ?? "").replace(/\s/g, "") : signature?.textSignature.trim();
    return !this.subject.peek() && !this.to.peek().length && !this.cc.peek().length && !this.bcc.peek().length && !this.files.peek().length && (!written || written === own);
  }

  /** isUntouched tells whether nothing was changed since it was opened. */
  isUntouched(): boolean {
    return this.version === 0;
  }

  /** touch says that something was changed. */
  touch(): void {
    if (this.closed) return;
    this.version++;
    if (this.saved.peek() !== "line" && this.saved.peek() !== "saving") this.saved.value = "here";
    this.keepTimer ??= setTimeout(() => {
      this.keepTimer = undefined;
      void this.keep();
    }, keepAfter);
    this.saveTimer ??= setTimeout(() => {
      this.saveTimer = undefined;
      void this.save();
    }, saveAfter);
  }

  /** keep lays what was written on the shelf of the browser. */
  async keep(): Promise<void> {
    if (this.closed || (this.isSaved() && this.isWhole())) return;
    try {
      await keepThat("drafts", this.record());
    } catch {
      // a browser that keeps nothing: the server does
    }
  }

  /** record is the draft as the browser keeps it. */
  record(): Kept {
    this.read();
    return {
      id: this.key, at: Date.now(), emailId: this.emailId, messageId: this.messageId, identity: this.identity.peek()?.id ?? "",
      to: this.to.peek(), cc: this.cc.peek(), bcc: this.bcc.peek(), subject: this.subject.peek(), rich: this.rich.peek(), html: this.html, text: this.text,
      quote: this.quote.peek(), inReplyTo: this.inReplyTo, references: this.references, answering: this.answering, instead: this.instead,
      files: this.files.peek().map(({ key, name, type, size, file, blobId, cid, link, upload }) => ({ key, name, type, size, file: blobId || upload ? undefined : file, blobId, cid, link, upload })),
    };
  }

  /** restore is the way back from a record. */
  restore(r: Kept): void {
    batch(() => {
      this.emailId = r.emailId;
      this.messageId = r.messageId;
      this.identity.value = identities.peek().find((i) => i.id === r.identity) ?? identities.peek()[0];
      this.to.value = r.to;
      this.cc.value = r.cc;
      this.bcc.value = r.bcc;
      this.subject.value = r.subject;
      this.rich.value = r.rich;
      this.html = r.html;
      this.text = r.text;
      this.quote.value = r.quote;
      this.inReplyTo = r.inReplyTo;
      this.references = r.references;
      this.answering = r.answering;
      this.instead = r.instead;
      this.files.value = r.files.map((f) => ({
        ...f, state: signal(f.blobId || f.link ? "done" as const : f.upload ? "paused" as const : "going" as const), share: signal(f.blobId || f.link ? 1 : 0), why: signal(""),
        ...(f.cid && f.blobId ? { url: download(f.blobId, f.name, f.type) } : f.file && f.type.startsWith("image/") ? { url: URL.createObjectURL(f.file) } : {}),
      }));
    });
    for (const a of this.files.peek()) if (a.state.peek() === "going") void up(a, () => this.touch());
    this.version = 1;
    this.uncertain = true; // a save may have been on its way when the page went
    this.saved.value = "here";
  }

  /** add takes files along. */
  add(files: Attached[]): void {
    this.files.value = [...this.files.peek(), ...files];
    for (const a of files) if (a.state.peek() === "going" && !a.upload) void up(a, () => this.touch());
  }

  /** remove leaves a file out. */
  remove(a: Attached): void {
    a.stop?.();
    this.files.value = this.files.peek().filter((x) => x !== a);
  }

  /** save brings the server's draft up to date. It never rejects: saved and refusal tell. */
  save(): Promise<void> {
    if (this.saving) return this.saving.then(() => (this.version === this.savedVersion ? undefined : this.save()));
    if (this.closed || this.version === this.savedVersion || (!this.emailId && this.isEmpty())) return Promise.resolve();
    this.saving = this.saveNow().finally(() => (this.saving = undefined));
    return this.saving;
  }

  private async saveNow(): Promise<void> {
    const version = this.version;
    this.saved.value = "saving";
    try {
      const drafts = await draftsMailbox();
      if (this.uncertain) await this.settle(drafts);
      const { email, parts } = this.build(drafts);
      const old = this.emailId;
      this.uncertain = true;
      const set = call("Email/set", { create: { d: email }, destroy: old ? [old] : [] });
      const answer = await set;
      this.uncertain = false;
      const made = answer.created?.d;
      if (!made) throw refused(answer) ?? new MethodError("serverFail");
      this.emailId = made.id;
      if (old && answer.notDestroyed?.[old]) this.conflict.value = true;
      await this.rename(parts);
      this.savedVersion = version;
      this.saved.value = this.version === version ? "saved" : "here";
      if (this.version !== version) this.touch();
      else if (this.isWhole()) await keepNot("drafts", this.key).catch(() => {});
      else await this.keep();
    } catch (error) {
      await this.failed(error);
    }
  }

  private async failed(error: unknown): Promise<void> {
    await this.keep();
    if (error instanceof MethodError) {
      this.uncertain = false;
      this.saved.value = "refused";
      this.refusal.value = error.type === "overQuota" ? t("sent_full") : error.message;
      if (error.type === "blobNotFound") this.again(error.detail.notFound ?? []);
      return;
    }
    this.saved.value = "line";
    this.saveTimer ??= setTimeout(() => {
      this.saveTimer = undefined;
      void this.save();
    }, 5000);
  }

  /** again uploads files anew that the server no longer has. */
  again(blobs: string[]): void {
    for (const a of this.files.peek()) {
      if (!a.blobId || !blobs.includes(a.blobId)) continue;
      if (a.file) void up(a, () => this.touch());
      else a.state.value = "failed";
    }
  }

  /** build makes the email. */
  build(mailboxId: string, all = false): Ready {
    this.read();
    return build(this, mailboxId, all);
  }

  /** settle finds out what became of a save whose answer was lost: of all versions one stays. */
  private async settle(drafts: string): Promise<void> {
    const query = call("Email/query", { filter: { inMailbox: drafts, header: ["Message-ID", this.messageId] }, limit: 10 });
    const { ids } = await query;
    const others = ids.filter((id) => id !== this.emailId);
    if (others.length) await call("Email/set", { destroy: others });
    this.uncertain = false;
  }

  /** rename takes the blobs of the new version, since those of the old one go with it. */
  private async rename(parts: Attached[]): Promise<void> {
    if (!parts.length) return;
    const answer = await call<{ attachments: Part[] }>("Email/get", { ids: [this.emailId], properties: ["attachments"], bodyProperties: ["blobId", "cid", "name", "disposition"] });
    const now = answer.list[0]?.attachments ?? [];
    const attachments = now.filter((p) => p.disposition === "attachment");
    let i = 0;
    for (const a of parts) {
      const part = a.cid ? now.find((p) => p.cid === a.cid) : attachments[i++];
      if (part?.blobId) a.blobId = part.blobId;
    }
  }

  /** settled waits until nothing is on its way to the server. */
  async settled(): Promise<void> {
    clearTimeout(this.saveTimer);
    this.saveTimer = undefined;
    await this.saving;
  }

  /** close ends following; what is kept in the browser goes with forget. */
  async close(forget: boolean): Promise<void> {
    clearTimeout(this.keepTimer);
    clearTimeout(this.saveTimer);
    this.closed = true;
    for (const s of this.stop.splice(0)) s();
    if (forget) await keepNot("drafts", this.key).catch(() => {});
  }

  /** reopen lets a draft that was closed begin anew. */
  reopen(): void {
    this.closed = false;
    this.uncertain = true; // sending may have left an email
    this.keepTimer = this.saveTimer = undefined;
  }

  /** isSaved tells whether the server has what was written. */
  isSaved(): boolean {
    return this.version === this.savedVersion;
  }

  /** isWhole tells whether the server has all files, too. */
  isWhole(): boolean {
    return this.files.peek().every((a) => a.state.peek() === "done");
  }

  /** arrived waits until no file is on its way. */
  arrived(): Promise<void> {
    return new Promise((resolve) => {
      const stop = effect(() => {
        if (!this.files.value.some((a) => a.state.value === "going")) queueMicrotask(() => (stop(), resolve()));
      });
    });
  }

  /** becomes takes another email of the server for the draft, with what is attached to it. */
  async becomes(emailId: string): Promise<void> {
    this.emailId = emailId;
    await this.rename(this.build("").parts);
  }
}

/** Kept is a draft as the browser keeps it. */
export interface Kept {
  id: string;
  at: number;
  emailId: string;
  messageId: string;
  identity: string;
  to: Chip[];
  cc: Chip[];
  bcc: Chip[];
  subject: string;
  rich: boolean;
  html: string;
  text: string;
  quote: Quote | undefined;
  inReplyTo: string[];
  references: string[];
  answering: Answering | undefined;
  instead: string | undefined;
  files: Pick<Attached, "key" | "name" | "type" | "size" | "file" | "blobId" | "cid" | "link" | "upload">[];
}

/** hold lets other windows know that a draft is open in this one. */
function hold(key: string): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  navigator.locks.request(draftLock(key), { ifAvailable: true }, () => promise).catch(() => {});
  return resolve;
}

/** draftsMailbox is where drafts lie. */
export async function draftsMailbox(): Promise<string> {
  if (!roleMailbox("drafts")) await fetchMailboxes();
  return roleMailbox("drafts");
}
