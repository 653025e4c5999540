// What an answer or a forwarded message takes over: addressees, subject, threads, and the text that it quotes.

import { first } from "../core/first";
import { accountOf, call, MethodError, of } from "../core/jmap";
import type { Address, Email } from "../core/mail";
import { locale, t } from "../core/text";
import { written } from "./addresses";
import { escape, fragment, markup, plain, quoted } from "./html";
import { isMine } from "./identity";

/** Part is what JMAP tells of a part of an email (EmailBodyPart). */
export interface Part {
  partId: string | null;
  blobId: string | null;
  type: string;
  name: string | null;
  size: number;
  cid: string | null;
  disposition: string | null;
}

/** Whole is an email with what it says. */
export interface Whole extends Email {
  messageId: string[] | null;
  inReplyTo: string[] | null;
  references: string[] | null;
  cc: Address[] | null;
  bcc: Address[] | null;
  replyTo: Address[] | null;
  sentAt: string | null;
  blobId: string;
  textBody: Part[];
  htmlBody: Part[];
  attachments: Part[];
  bodyValues: Record<string, { value: string }>;
  "header:Content-Type": string | null;
}

/** Quote is what stands below one's own text: folded until somebody opens it. */
export interface Quote {
  html: string;
  text: string;
}

const properties = ["id", "blobId", "threadId", "mailboxIds", "keywords", "messageId", "inReplyTo", "references", "from", "to", "cc", "bcc", "replyTo", "subject",
  "sentAt", "receivedAt", "size", "preview", "hasAttachment", "textBody", "htmlBody", "attachments", "bodyValues", "header:Content-Type"];

/** fetchWhole asks for an email and its text; asFile for one that goes on as it came. */
export async function fetchWhole(id: string, asFile = false): Promise<Whole> {
  const answer = await call<Whole>("Email/get", { ...of(id), ids: [id], properties, fetchTextBodyValues: true, fetchHTMLBodyValues: true });
  const e = answer.list[0];
  if (!e) throw new MethodError("notFound", { description: t("compose_original_gone") });
  if (accountOf(id) !== first.account.id) await bring(accountOf(id), asFile ? [e] : e.attachments);
  return e;
}

/** bring has what lies with another account copied, so that it can be named in a message of one's own. */
async function bring(fromAccountId: string, what: { blobId: string | null }[]): Promise<void> {
  if (!what.length) return;
  const answer = await call<{ copied?: Record<string, string> | null }>("Blob/copy", { accountId: first.account.id, fromAccountId, blobIds: what.map((w) => w.blobId) });
  for (const w of what) w.blobId = answer.copied?.[w.blobId ?? ""] ?? w.blobId;
}

/** htmlOf is what an email says as harmless HTML; undefined where it has plain text alone. */
export function htmlOf(e: Whole): string | undefined {
  if (!e.htmlBody.some((p) => p.type === "text/html")) return undefined;
  return e.htmlBody.map((p) => {
    const value = e.bodyValues[p.partId ?? ""]?.value ?? "";
    return p.type === "text/html" ? markup(fragment(value)) : p.type.startsWith("text/") ? asHTML(value) : "";
  }).join("<br>");
}

/** textOf is what an email says as plain text. */
export function textOf(e: Whole): string {
  const text = e.textBody.filter((p) => p.type === "text/plain").map((p) => e.bodyValues[p.partId ?? ""]?.value ?? "").join("\n");
  if (!text.trim() && htmlOf(e)) return plain(fragment(htmlOf(e)!));
  const lines = text.replace(/\r\n?/g, "\n");
  const type = e["header:Content-Type"] ?? "";
  return /format="?flowed/i.test(type) ? unflow(lines, /delsp="?yes/i.test(type)) : lines;
}

/** unflow puts lines together that a program broke (RFC 3676 section 4). */
export function unflow(text: string, delSp: boolean): string {
  const lines: string[] = [];
  let before = -1; // how deep the line above is quoted, if it goes on
  for (const line of text.split("\n")) {
    const depth = /^>*/.exec(line)![0].length;
    const rest = line.slice(depth).replace(/^ /, "");
    const goesOn = rest.endsWith(" ") && rest !== "-- ";
    const words = goesOn && delSp ? rest.slice(0, -1) : rest;
    if (depth === before && rest !== "-- ") lines.push(lines.pop() + words);
    else lines.push(">".repeat(depth) + (depth && words ? " " : "") + words);
    before = goesOn ? depth : -1;
  }
  return lines.join("\n");
}

/** asHTML shows plain text with its lines. */
const asHTML = (text: string): string => escape(text.replace(/\r\n?/g, "\n").replace(/\n+$/, "")).replaceAll("\n", "<br>").replace(/ (?= )/g, "&nbsp;");

const day = new Intl.DateTimeFormat(locale, { day: "numeric", month: "long", year: "numeric" });
const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });

/** answerQuote is what is answered, below who wrote it when. */
export function answerQuote(e: Whole): Quote {
  const at = new Date(e.sentAt ?? e.receivedAt);
  const line = t("compose_wrote", { day: day.format(at), time: clock.format(at), who: e.from?.[0] ? written(e.from[0]) : t("nobody") });
  return quote(escape(line), line, e, false);
}

/** forwardQuote is what is forwarded, below what its header says. */
export function forwardQuote(e: Whole): Quote {
  const at = new Date(e.sentAt ?? e.receivedAt);
  const fields: [string, string][] = [
    [t("from"), (e.from ?? []).map(written).join(", ")],
    [t("compose_date"), `${day.format(at)} ${clock.format(at)}`],
    [t("compose_subject"), e.subject ?? ""],
    [t("to"), (e.to ?? []).map(written).join(", ")],
  ];
  if (e.cc?.length) fields.push([t("cc"), e.cc.map(written).join(", ")]);
  const head = t("compose_forwarded");
  return quote(
    `${escape(head)}<br>` + fields.map(([name, value]) => `<b>${escape(name)}:</b> ${escape(value)}`).join("<br>"),
    `---------- ${head} ----------\n` + fields.map(([name, value]) => `${name}: ${value}`).join("\n") + "\n",
    e, true,
  );
}

const bar = "margin:0 0 0 .8ex;border-left:2px solid #b9c4d3;padding-left:1ex";

function quote(headHTML: string, headText: string, e: Whole, forwarded: boolean): Quote {
  const text = textOf(e);
  return {
    html: `<div><div>${headHTML}</div><blockquote type="cite" style="${forwarded ? "margin:1em 0 0" : bar}">${htmlOf(e) ?? asHTML(text)}</blockquote></div>`,
    text: `${headText}\n${forwarded ? text : quoted(text)}`,
  };
}

/** addressees are who gets an answer. */
export function addressees(e: Whole, all: boolean): { to: Address[]; cc: Address[] } {
  const mine = e.from?.some((a) => isMine(a.email));
  let to = mine ? e.to ?? [] : e.replyTo?.length ? e.replyTo : e.from ?? [];
  let cc = all ? e.cc ?? [] : [];
  if (all && !mine) to = [...to, ...(e.to ?? [])];
  const seen = new Set<string>();
  const once = (list: Address[], alsoMine: boolean) => list.filter((a) => {
    const key = a.email.toLowerCase();
    if (seen.has(key) || (!alsoMine && isMine(a.email))) return false;
    seen.add(key);
    return true;
  });
  const others = once(to, false);
  return { to: others.length ? others : once(to, true).slice(0, 1), cc: once(cc, false) };
}

/** subjectOf is the subject of an answer ("Re") or of a forwarded message ("Fwd"), without piling up. */
export function subjectOf(subject: string | null, prefix: "Re" | "Fwd"): string {
  const had = prefix === "Re" ? /^\s*(?:re|sv|vs|aw|antw?)\s*(?:\[\d+\])?\s*:/i : /^\s*(?:fwd?|vb|vidarebefordrat|vs|wg|tr)\s*:/i;
  return had.test(subject ?? "") ? subject!.trim() : `${prefix}: ${subject ?? ""}`.trim();
}

/** references are the messages of the conversation that an answer continues (RFC 5322 section 3.6.4), not too many. */
export function referencesOf(e: Whole): string[] {
  const before = e.references?.length ? e.references : e.inReplyTo?.length === 1 ? e.inReplyTo : [];
  const all = [...before, ...(e.messageId ?? [])].filter((id, i, list) => list.indexOf(id) === i);
  return all.length > 30 ? [all[0]!, ...all.slice(-29)] : all;
}

/** unfold parts the HTML of a draft into what was written and the quote below it. */
export function unfold(html: string): { own: string; quote?: string } {
  const nodes = fragment(html);
  const last = nodes.lastElementChild;
  if (last?.nodeName !== "DIV" || last.children.length !== 2 || last.lastElementChild!.getAttribute("type") !== "cite") return { own: markup(nodes) };
  last.remove();
  while (nodes.lastElementChild?.nodeName === "BR") nodes.lastElementChild.remove();
  return { own: markup(nodes), quote: markup(last) };
}
