// What a window to write in begins with.

import { batch } from "@preact/signals";
import { first } from "../core/first";
import { accountOf, call } from "../core/jmap";
import type { Address } from "../core/mail";
import { t } from "../core/text";
import { isAddress, readAddresses, type Chip } from "./addresses";
import { asLink } from "./attachments";
import { attached, download, there } from "./files";
import { escape, fragment, markup, paragraphs, plain } from "./html";
import { identityFor, identities, needIdentities, type Identity } from "./identity";
import { Draft } from "./model";
import type { Compose } from "./open";
import { addressees, answerQuote, fetchWhole, forwardQuote, htmlOf, referencesOf, subjectOf, textOf, unfold, type Whole } from "./quote";

/** beginDraft makes what options ask for, once the libraries are there. */
export async function beginDraft(options: Compose, libraries: Promise<void>): Promise<Draft> {
  const whole = options.emailId ? fetchWhole(options.emailId, options.kind === "attach") : undefined;
  whole?.catch(() => {}); // it is awaited below
  await Promise.all([needIdentities(), libraries]);
  const d = new Draft();
  const e = await whole;
  if (options.kind === "draft" && e) {
    void findAnswered(d, e).catch(() => {});
    return open(d, e);
  }
  if (options.kind === "again" && e) return again(d, e, options);
  batch(() => {
    d.identity.value = e ? identityFor([...(e.to ?? []), ...(e.cc ?? []), ...(e.from ?? [])]) : identities.peek()[0];
    d.to.value = checked(options.to);
    d.cc.value = checked(options.cc);
    d.bcc.value = checked(options.bcc);
    d.subject.value = options.subject ?? "";
    d.rich.value = localStorage.getItem("compose.plain") !== "1";
    if (e && (options.kind === "reply" || options.kind === "replyAll")) answer(d, e, options.kind === "replyAll");
    if (e && options.kind === "forward") forward(d, e);
    if (e && options.kind === "attach") attach(d, e);
    write(d, options.text ?? "");
  });
  if (options.files?.length) d.add(options.files.map((f) => attached(f)));
  return d;
}

/** checked reads what is no address alone, and marks what is none. */
const checked = (list: Address[] = []): Chip[] => list.flatMap((a) => (isAddress(a.email) ? a : readAddresses(a.email)));

/** write puts text and the signature where somebody begins to write. */
function write(d: Draft, text: string): void {
  const i = d.identity.peek();
  d.text = text + signatureText(i);
  d.html = (text ? paragraphs(text) : "<div><br></div>") + signatureHTML(i);
}

/** signatureText is an identity's signature for plain text, below the line that programs know (RFC 3676 section 4.3). */
export function signatureText(i: Identity | undefined): string {
  const text = i?.textSignature.trim() || (i?.htmlSignature ? plain(fragment(i.htmlSignature)) : "");
  return text ? `\n\n-- \n${text}` : "";
}

/** signatureHTML is the same for rich text. */
function signatureHTML(i: Identity | undefined): string {
  const html = i?.htmlSignature.trim() ? markup(fragment(i.htmlSignature)) : escape(i?.textSignature.trim() ?? "").replaceAll("\n", "<br>");
  return html ? `<div><br></div><div>${html}</div>` : "";
}

/** swapSignature puts another identity's signature in the place of one, where that stands as it was put in; the editor writes it its own way. */
export function swapSignature(html: string, from: Identity | undefined, to: Identity | undefined): string {
  const [before, after] = [plain(fragment(signatureHTML(from))).trim(), signatureHTML(to)];
  if (!before) return html + after;
  const nodes = fragment(html);
  const there = [...nodes.children].reverse().find((e) => plain(e).trim() === before);
  if (!there) return html;
  const blank = there.previousElementSibling;
  if (blank && !blank.textContent?.trim() && !blank.querySelector("img")) blank.remove();
  there.replaceWith(fragment(after));
  return markup(nodes);
}

/** isMine tells one's own emails from those that another shares, whose keywords are his. */
const isMine = (e: Whole): boolean => accountOf(e.id) === first.account.id;

function answer(d: Draft, e: Whole, all: boolean): void {
  const { to, cc } = addressees(e, all);
  d.to.value = to;
  d.cc.value = cc;
  d.subject.value = subjectOf(e.subject, "Re");
  d.quote.value = answerQuote(e);
  d.inReplyTo = e.messageId ?? [];
  d.references = referencesOf(e);
  if (isMine(e)) d.answering = { emailId: e.id, keyword: "$answered" };
  if (htmlOf(e) === undefined && localStorage.getItem("compose.plain") === null) d.rich.value = true;
  pictures(d, e);
}

function forward(d: Draft, e: Whole): void {
  d.subject.value = subjectOf(e.subject, "Fwd");
  d.quote.value = forwardQuote(e);
  d.references = referencesOf(e);
  if (isMine(e)) d.answering = { emailId: e.id, keyword: "$forwarded" };
  pictures(d, e);
  const rest = e.attachments.filter((p) => !shown(d, p.cid));
  d.add(rest.map((p) => there(p, false)));
}

/** attach sends a message on as it came, as a file (RFC 2046 section 5.2.1). */
function attach(d: Draft, e: Whole): void {
  d.subject.value = subjectOf(e.subject, "Fwd");
  d.references = referencesOf(e);
  if (isMine(e)) d.answering = { emailId: e.id, keyword: "$forwarded" };
  const name = (e.subject ?? "").replace(/[\p{C}/\\:*?"<>|]+/gu, " ").trim().slice(0, 80) || t("compose_message");
  d.add([there({ blobId: e.blobId, name: `${name}.eml`, type: "message/rfc822", size: e.size, cid: null }, false)]);
}

const shown = (d: Draft, cid: string | null): boolean => !!cid && (d.quote.peek()?.html.includes(`cid:${cid}`) ?? false);

/** pictures takes along what the quote shows. */
function pictures(d: Draft, e: Whole): void {
  const all = e.attachments.filter((p) => shown(d, p.cid)).map((p) => there(p, true));
  for (const a of all) a.url = download(a.blobId!, a.name, a.type);
  d.add(all);
}

/** open goes on with a draft of the server. */
function open(d: Draft, e: Whole): Draft {
  batch(() => {
    d.emailId = e.id;
    if (e.messageId?.[0]) d.messageId = e.messageId[0];
    const author = e.from?.[0];
    d.identity.value = identities.peek().find((i) => i.email === author?.email && i.name === (author.name ?? "")) ?? identityFor(e.from ?? []);
    d.to.value = e.to ?? [];
    d.cc.value = e.cc ?? [];
    d.bcc.value = e.bcc ?? [];
    d.subject.value = e.subject ?? "";
    d.inReplyTo = e.inReplyTo ?? [];
    d.references = e.references ?? [];
    const html = htmlOf(e);
    d.rich.value = html !== undefined;
    d.text = textOf(e).replace(/\n$/, "");
    const parts = html === undefined ? { own: paragraphs(d.text) } : unfold(html);
    d.html = parts.own || "<div><br></div>";
    if (parts.quote) d.quote.value = { html: parts.quote, text: quoteText(parts.quote) };
    d.files.value = e.attachments.map((p) => {
      const inline = !!p.cid && !!html?.includes(`cid:${p.cid}`);
      const a = there(p, inline);
      if (inline) a.url = download(a.blobId!, a.name, a.type);
      return a;
    });
  });
  d.saved.value = "saved";
  return d;
}

/** findAnswered finds out which email a draft answers, so that it is known as answered once that is sent. */
async function findAnswered(d: Draft, e: Whole): Promise<void> {
  if (!e.inReplyTo?.length || !isMine(e)) return;
  const thread = call("Thread/get", { ids: [e.threadId] });
  const all = call<Pick<Whole, "id" | "messageId">>("Email/get", { "#ids": thread.ref("/list/*/emailIds"), properties: ["messageId"] });
  thread.catch(() => {}); // the other fails with it
  const found = (await all).list.find((x) => x.messageId?.[0] === e.inReplyTo![0]);
  if (found) d.answering = { emailId: found.id, keyword: "$answered" };
}

/** again is a new message that says what another does, to whom options tell. */
function again(d: Draft, e: Whole, options: Compose): Draft {
  const messageId = d.messageId;
  open(d, e);
  d.emailId = "";
  d.messageId = messageId;
  d.saved.value = "nothing";
  d.instead = options.instead;
  if (options.to) {
    d.to.value = options.to;
    d.cc.value = d.bcc.value = [];
  }
  if (options.links) for (const a of d.files.peek().filter((x) => !x.cid)) asLink(d, a);
  return d;
}

/** quoteText is the quote of a draft as plain text. */
function quoteText(html: string): string {
  const nodes = fragment(html);
  return plain(nodes);
}

/** toEditor shows pictures of the message in the editor; those that lie elsewhere are not fetched. */
export function toEditor(d: Draft, html: string): DocumentFragment {
  const nodes = fragment(html);
  for (const img of nodes.querySelectorAll<HTMLImageElement>("img[data-src]")) {
    const src = img.dataset.src!;
    const cid = /^cid:(.*)/i.exec(src)?.[1];
    const shown = cid ? d.files.peek().find((x) => x.cid === cid)?.url : /^https?:/i.test(src) && !src.startsWith(`${location.origin}/jmap/download/`) ? undefined : src;
    if (!shown) continue;
    img.src = shown;
    delete img.dataset.src;
  }
  return nodes;
}

/** fromEditor is the way back: pictures go by their name in the message. */
export function fromEditor(d: Draft, html: string): string {
  const nodes = fragment(html);
  for (const img of nodes.querySelectorAll<HTMLElement>("img[data-src]")) {
    const a = d.files.peek().find((x) => x.cid && x.url === img.dataset.src);
    if (a) img.dataset.src = `cid:${a.cid}`;
  }
  return markup(nodes);
}
