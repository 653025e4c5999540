// What is in the way of a message: refused by the server, or changed in two windows. Loaded when that happens.

import type { MethodError } from "../core/jmap";
import { t } from "../core/text";
import { Button, IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import type { Attached } from "./files";
import type { Draft } from "./model";

/** Conflict says that two windows changed the same draft. */
export function Conflict({ draft }: { draft: Draft }) {
  const keep = () => {
    // This one becomes a draft of its own.
    draft.messageId = `${crypto.randomUUID()}@${draft.messageId.split("@").at(-1)}`;
    draft.emailId = "";
    draft.conflict.value = false;
    draft.touch();
    void draft.save();
  };
  return (
    <div class="compose-note warn" role="alert">
      <Icon name="layers" /><span>{t("conflict")}</span><Button onClick={keep}>{t("conflict_keep")}</Button>
    </div>
  );
}

/** Refused says why a message was not taken, and mends what can be mended. */
export function Refused({ error, draft, close, asLink }: { error: MethodError; draft: Draft; close: () => void; asLink: (a: Attached) => void }) {
  const recipients = Object.entries(error.detail.recipients ?? {});
  const why = error.detail.why;
  const change = (email: string, domain: string) => {
    for (const field of [draft.to, draft.cc, draft.bcc]) {
      field.value = field.peek().map((c) => (c.email === email ? { ...c, email: `${email.slice(0, email.lastIndexOf("@"))}@${domain}` } : c));
    }
    if (recipients.length === 1) close();
  };
  const leave = (email: string) => {
    for (const field of [draft.to, draft.cc, draft.bcc]) field.value = field.peek().filter((c) => c.email !== email);
    if (recipients.length === 1) close();
  };
  return (
    <div class="compose-note bad" role="alert">
      <Icon name="circle-alert" />
      <div>
        {!recipients.length && <p><strong>{why?.title ?? t("not_sent")}</strong> {why?.text ?? t(error.type === "blobNotFound" ? "files_again" : error.type === "overQuota" ? "sent_full" : "not_sent_again")} {why?.action}{" "}
          {error.type === "overQuota" && <a href="/settings/storage">{t("sent_full_room")}</a>}
          {why?.cause.startsWith("content.too-large") && <button type="button" class="link" onClick={() => {
            close();
            for (const a of draft.files.peek()) if (!a.cid && !a.upload) asLink(a);
          }}>{t("large_link")}</button>}
        </p>}
        {recipients.map(([email, w]) => (
          <p key={email}>
            <strong>{email}</strong>: {w.text || w.title}{" "}
            {w.suggestion
              ? <button type="button" class="link" onClick={() => change(email, w.suggestion!)}>{t("hint_domain_change", { right: w.suggestion })}</button>
              : <button type="button" class="link" onClick={() => leave(email)}>{t("leave_out")}</button>}
          </p>
        ))}
        {error.detail.traceId && <p class="soft">{t("not_sent_reference", { id: error.detail.traceId })}</p>}
      </div>
      <IconButton icon="x" label={t("close")} onClick={close} />
    </div>
  );
}
