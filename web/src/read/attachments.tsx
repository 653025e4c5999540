import { useState } from "preact/hooks";
import { size, t } from "../core/text";
import { later } from "../mail/later";
import { Icon } from "../ui/icon";
import type { Part } from "./detail";

/** forPrograms are the parts of reports that no person reads; they stand in the message's source. */
const forPrograms = /^(?:message\/(?:global-)?(?:delivery-status|disposition-notification|feedback-report)|text\/rfc822-headers|application\/pgp-encrypted)$/;

/** Attachments are the files of a message but for those that stand inline in its text: pictures as small ones of themselves, all others by name. */
export function Attachments({ id, parts, inline }: { id: string; parts: Part[]; inline: string[] }) {
  const files = parts.filter((p) => (!forPrograms.test(p.type) || p.name) && !inline.includes(p.partId));
  if (files.length === 0) return null;
  const whole = files.reduce((sum, p) => sum + p.size, 0);
  return (
    <section class="attachments" aria-label={t("attachments")}>
      <h2>
        <Icon name="paperclip" /> {t("files", { n: files.length })} <span class="soft">{size(whole)}</span>
        {files.length > 1 && <a class="button" href={`/m/${id}/attachments.zip`} download>{t("download_all")}</a>}
      </h2>
      <ul>
        {files.map((p) => <File key={p.partId} id={id} p={p} />)}
      </ul>
    </section>
  );
}

/** tail is how much of a name's end is always shown, where its extension is. */
const tail = 9;

/** long is the length from which a name is cut before that; others have two lines. */
const long = 40;

/** readable are those that are opened in place, as text. */
const readable = /^text\/(?!rtf)|^message\/(?:rfc822|global)$/;

const shown = /^image\/(png|jpeg|gif|webp)$/;

function File({ id, p }: { id: string; p: Part }) {
  const name = p.name || t(/delivery-status$/.test(p.type) ? "unnamed_report" : /rfc822/.test(p.type) ? "unnamed_message" : p.type === "text/calendar" ? "invitation" : "unnamed_file");
  const url = `/m/${id}/part/${p.partId}/${encodeURIComponent(name)}`;
  const pdf = p.type === "application/pdf";
  const [broken, setBroken] = useState(false);
  const opens = shown.test(p.type) || pdf;
  const read = readable.test(p.type) && ((e: MouseEvent) => {
    if (e.ctrlKey || e.metaKey || e.shiftKey) return;
    e.preventDefault();
    void later((part) => part.view(id, p, name, url));
  });
  return (
    <li class="attachment">
      <a href={pdf ? `${url}?view=1` : url} {...(opens ? { target: "_blank", rel: "noopener" } : { download: name })} {...(read && { onClick: read, "aria-haspopup": "dialog" })} title={name} aria-label={`${name} ${size(p.size)}`}>
        {shown.test(p.type) && !broken
          ? <img onError={() => setBroken(true)} src={`/m/${id}/preview/${p.partId}?w=320`} alt="" loading="lazy" width="160" height="100" />
          : <span class="attachment-kind"><Icon name={iconOf(p.type)} /></span>}
        <span class={`attachment-name ${name.length > long ? "cut" : ""}`}><span>{name.slice(0, -tail)}</span><span>{name.slice(-tail)}</span></span>{" "}
        <span class="soft">{size(p.size)}</span>
      </a>
      {(opens || read) && (
        <a class="icon-link" href={`${url}?download=1`} download={name} aria-label={t("download_file", { name })} title={t("download")}>
          <Icon name="download" />
        </a>
      )}
    </li>
  );
}

function iconOf(type: string): string {
  if (type === "text/calendar" || type === "application/ics") return "calendar";
  if (/zip|compressed|tar|rar|7z/.test(type)) return "file-archive";
  if (type.startsWith("text/") || /pdf|word|document/.test(type)) return "file-text";
  if (type.startsWith("image/")) return "image";
  return "file";
}
