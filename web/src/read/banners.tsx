// What a reader should know before trusting, loading or answering a message: a line each, with at most one thing to do.

import { useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { compose, mailto } from "../compose/open";
import { moving, roleMailbox, say, withUndo } from "../core/actions";
import { api } from "../core/jmap";
import { mailbox, type Email } from "../core/mail";
import { longSpan, t } from "../core/text";
import { Button } from "../ui/button";
import { Icon } from "../ui/icon";
import { toast } from "../ui/toast";
import { forgetAbout, type About } from "./detail";

export function Banners({ e, about, images, showImages }: { e: Email; about: About | undefined; images: boolean; showImages: () => void }) {
  if (!about) return null;
  const { authenticity: a, invitation } = about;
  const junk = mailbox("junk");
  const inJunk = junk && e.mailboxIds[junk.id];
  return (
    <>
      {a && (a.level === "warn" || a.level === "bad" ? <Banner kind={a.level} title={a.title}>{a.text}</Banner> : <Quiet title={a.title} text={a.text} good={a.level === "good"} />)}
      {about.notes.map((n) => <Banner key={n.title} kind={n.level} title={n.title}>{n.text}</Banner>)}
      {about.attachments.map((n) => <Banner key={n.partId} kind={n.level} title={n.title}>{n.text}</Banner>)}
      {invitation && <Invitation i={invitation} />}
      {inJunk && (
        <Banner kind="warn" title={about.junk?.title ?? t("in_junk")} action={t("not_junk")} run={() => void withUndo(moving([e.id], roleMailbox("inbox")), t("done_not_junk"))}>
          {about.junk && <Reasons reasons={about.junk.reasons} change={about.junk.change} />}
        </Banner>
      )}
      {about.images.count > 0 && !about.images.allowed && !images && <Images e={e} about={about} show={showImages} />}
      {about.images.count > 0 && about.images.allowed && <ImagesAllowed e={e} />}
      {about.unsubscribe && !inJunk && <Unsubscribe id={e.id} about={about} />}
    </>
  );
}

function Banner({ kind, title, children, action, run }: { kind: string; title: string; children?: ComponentChildren; action?: string; run?: () => void }) {
  return (
    <div class={`message-banner ${kind}`}>
      <Icon name={kind === "bad" ? "triangle-alert" : "circle-alert"} />
      <div>
        <strong>{title}</strong>
        {children && <div>{children}</div>}
      </div>
      {action && <Button onClick={run}>{action}</Button>}
    </div>
  );
}

/** Quiet is what is in order: told to whoever asks. */
function Quiet({ title, text, good }: { title: string; text?: string; good: boolean }) {
  return (
    <details class="message-quiet">
      <summary><Icon name={good ? "shield-check" : "info"} /> {title}</summary>
      {text && <p>{text}</p>}
    </details>
  );
}

function Reasons({ reasons, change }: { reasons: string[]; change?: string }) {
  return (
    <>
      <ul class="reasons">{reasons.map((r) => <li key={r}>{r}</li>)}</ul>
      {change && <p>{change}</p>}
    </>
  );
}

/** Invitation is what an invitation in a message says; the file itself is among the attachments. */
function Invitation({ i }: { i: NonNullable<About["invitation"]> }) {
  const when = i.start ? longSpan(i.start, i.end ?? i.start) + (i.zone ? ` (${i.zone})` : "") : "";
  return (
    <div class="message-banner info">
      <Icon name="calendar" />
      <div>
        <strong>{i.summary || t("invitation")}</strong>
        <div>{[when, i.location].filter(Boolean).join(" · ")}</div>
        {i.said.map((line) => <div key={line}>{line}</div>)}
      </div>
    </div>
  );
}

function Images({ e, about, show }: { e: Email; about: About; show: () => void }) {
  const sender = e.from?.[0]?.email;
  const always = async () => {
    show();
    try {
      await api("POST", "/api/images/senders", { address: sender });
      forgetAbout(e.id);
      toast(t("images_always_done", { who: sender! }));
    } catch (error) {
      say(error);
    }
  };
  return (
    <div class="message-banner info">
      <Icon name="image" />
      <div>{t("images_off", { n: about.images.count })}</div>
      <span class="banner-buttons">
        <Button onClick={show}>{t("images_show")}</Button>
        {sender && about.images.proven && <Button onClick={() => void always()}>{t("images_always")}</Button>}
      </span>
    </div>
  );
}

/** ImagesAllowed tells why pictures are shown unasked, and ends that. */
function ImagesAllowed({ e }: { e: Email }) {
  const [ended, setEnded] = useState(false);
  const sender = e.from?.[0]?.email;
  if (!sender || ended) return null;
  const end = async () => {
    try {
      await api("DELETE", "/api/images/senders", { address: sender });
      forgetAbout(e.id);
      setEnded(true);
      toast(t("images_ended_done", { who: sender }));
    } catch (error) {
      say(error);
    }
  };
  return (
    <p class="message-unsubscribe soft">
      {t("images_allowed")} <button class="link" onClick={() => void end()}>{t("images_end")}</button>
    </p>
  );
}

function Unsubscribe({ id, about }: { id: string; about: About }) {
  const [state, setState] = useState<"" | "asking" | "done">("");
  const offer = about.unsubscribe!;
  if (state === "done") return <p class="message-banner info"><Icon name="circle-check" /><span>{t("unsubscribed")}</span></p>;
  const ask = async () => {
    setState("asking");
    try {
      if (!offer.oneClick) return await compose(mailto(offer.mailto!)).then(() => setState(""));
      await api("POST", `/m/${id}/unsubscribe`);
      setState("done");
    } catch (error) {
      setState("");
      say(error);
    }
  };
  return (
    <p class="message-unsubscribe soft">
      {t("is_list")}{" "}
      {offer.oneClick || offer.mailto
        ? <button class="link" disabled={state === "asking"} onClick={() => void ask()}>{t(state === "asking" ? "loading" : "unsubscribe")}</button>
        : <a href={offer.url} target="_blank" rel="noopener noreferrer">{t("unsubscribe")}</a>}
    </p>
  );
}
