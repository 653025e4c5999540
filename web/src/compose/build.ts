// A draft as the Email object that JMAP stores and sends (RFC 8621 section 4.6).

import type { Address } from "../core/mail";
import type { NewEmail, Part } from "../core/outbox";
import type { Chip } from "./addresses";
import type { Attached } from "./files";
import { fragment, plain } from "./html";
import type { Draft } from "./model";

/** Ready is an email to be created, and what is in it. */
export interface Ready {
  email: NewEmail;
  /** parts are the attachments in their order, files those that are not at the server yet, by their key. */
  parts: Attached[];
  files: Record<string, Blob>;
}

/** build makes the email; with all, files that are not at the server yet are in it as "local:KEY". */
export function build(d: Draft, mailboxId: string, all: boolean): Ready {
  const from = d.identity.peek();
  const good = (chips: Chip[]): Address[] | null => {
    const list = chips.filter((c) => !c.bad).map(({ name, email }) => ({ name, email }));
    return list.length ? list : null;
  };
  const { structure, values, parts } = body(d, all);
  const email: NewEmail = {
    mailboxIds: { [mailboxId]: true },
    keywords: { $draft: true, $seen: true },
    messageId: [d.messageId],
    from: from ? [{ name: from.name || null, email: from.email }] : null,
    to: good(d.to.peek()), cc: good(d.cc.peek()), bcc: good(d.bcc.peek()),
    subject: d.subject.peek(),
    bodyStructure: structure, bodyValues: values,
  };
  if (from?.replyTo?.length) email.replyTo = from.replyTo;
  if (d.inReplyTo.length) email.inReplyTo = d.inReplyTo;
  if (d.references.length) email.references = d.references;
  for (const name of ["from", "to", "cc", "bcc"]) if (email[name] === null) delete email[name];
  const files = Object.fromEntries(parts.filter((a) => !a.blobId).map((a) => [a.key, a.file!]));
  return { email, parts, files };
}

/** body is mixed(alternative(text, related(html, pictures)), attachments), as much of it as is needed. */
function body(d: Draft, all: boolean): { structure: Part; values: Record<string, { value: string }>; parts: Attached[] } {
  const up = d.files.peek().filter((a) => !a.link && !a.upload && ((a.state.peek() === "done" && a.blobId) || (all && a.file)));
  const links = d.files.peek().filter((a) => a.link);
  const quote = d.quote.peek();
  const values: Record<string, { value: string }> = {};
  let structure: Part = { type: "text/plain", partId: "text" };
  let pictures: Attached[] = [];
  if (d.rich.peek()) {
    const html = d.html + linksHTML(links) + (quote ? `<br>${quote.html}` : "");
    pictures = up.filter((a) => a.cid && html.includes(`cid:${a.cid}`));
    values.text = { value: [plain(fragment(d.html)), linksText(links), quote?.text ?? ""].filter(Boolean).join("\n\n") + "\n" };
    values.html = { value: `<!DOCTYPE html><html><head><meta charset="utf-8"></head><body>${html}</body></html>` };
    const shown: Part = { type: "text/html", partId: "html" };
    structure = { type: "multipart/alternative", subParts: [structure, pictures.length ? { type: "multipart/related", subParts: [shown, ...pictures.map((a) => file(a, "inline"))] } : shown] };
  } else {
    values.text = { value: [d.text, linksText(links), quote?.text ?? ""].filter(Boolean).join("\n\n") + "\n" };
  }
  const attachments = up.filter((a) => !a.cid);
  if (attachments.length) structure = { type: "multipart/mixed", subParts: [structure, ...attachments.map((a) => file(a, "attachment"))] };
  return { structure, values, parts: [...pictures, ...attachments] };
}

function file(a: Attached, disposition: "inline" | "attachment"): Part {
  return { blobId: a.blobId || `local:${a.key}`, type: a.type, name: a.name, disposition, ...(a.cid ? { cid: a.cid } : {}) };
}

const linksText = (files: Attached[]): string => files.map((a) => a.link!.text.trim()).join("\n\n");

const linksHTML = (files: Attached[]): string => files.map((a) => a.link!.html).join("");
