// An attached text or message, opened in place; a part of what is loaded when it is needed.

import { useEffect, useRef, useState } from "preact/hooks";
import { compose, mailto } from "../compose/open";
import { accountOf, call, of } from "../core/jmap";
import type { Address } from "../core/mail";
import { lang, longDate, size, t } from "../core/text";
import { Dialog, show } from "../ui/dialog";
import { Icon } from "../ui/icon";
import type { Part } from "./detail";
import { theme } from "./ready";

/** view shows an attachment of an email; url is where it can be had as a file. */
export function view(id: string, p: Part, name: string, url: string): void {
  void show<void>((close) => <Viewer id={id} p={p} name={name} url={url} close={close} />);
}

/** Inside is what is told of a message inside another one: properties of RFC 8621 section 4.1. */
interface Inside {
  from: Address[] | null;
  to: Address[] | null;
  cc: Address[] | null;
  subject: string | null;
  sentAt: string | null;
  attachments: Part[];
}

function Viewer({ id, p, name, url, close }: { id: string; p: Part; name: string; url: string; close: () => void }) {
  const isMessage = p.type.startsWith("message/");
  const [inside, setInside] = useState<Inside>();
  useEffect(() => {
    if (!isMessage) return;
    call<{ parsed?: Record<string, Inside> | null }>("Email/parse", { ...of(id), blobIds: [p.blobId], properties: ["from", "to", "cc", "subject", "sentAt", "attachments"] })
      .then((answer) => setInside(answer.parsed?.[p.blobId]), () => {}); // its text is there all the same
  }, []);
  return (
    <Dialog title={inside?.subject || name} onClose={close} wide kind="viewer" actions={<a class="button" href={`${url}?download=1`} download={name}><Icon name="download" /> {t("download")}</a>}>
      {inside && (
        <dl class="fields">
          <Line label={t("from")} list={inside.from} />
          <Line label={t("to")} list={inside.to} />
          <Line label={t("cc")} list={inside.cc} />
          {inside.sentAt && <div><dt>{t("sent_at")}</dt><dd>{longDate(new Date(inside.sentAt))}</dd></div>}
        </dl>
      )}
      <Text id={id} part={p.partId} close={close} />
      {!!inside?.attachments.length && (
        <ul class="viewer-files" aria-label={t("attachments")}>
          {inside.attachments.map((a) => <li key={a.blobId}><Icon name="paperclip" /> <a href={blobOf(id, a)} download={a.name ?? ""}>{a.name || t("unnamed_file")}</a> <span class="soft">{size(a.size)}</span></li>)}
        </ul>
      )}
    </Dialog>
  );
}

const blobOf = (id: string, a: Part): string => `/jmap/download/${accountOf(id)}/${encodeURIComponent(a.blobId)}/${encodeURIComponent(a.name || t("unnamed_file"))}?type=application%2Foctet-stream`;

function Line({ label, list }: { label: string; list: Address[] | null }) {
  if (!list?.length) return null;
  return <div><dt>{label}</dt><dd>{list.map((a) => (a.name ? `${a.name} <${a.email}>` : a.email)).join(", ")}</dd></div>;
}

/** Text is the frame of a part, as tall as what is in it. Pictures of the web are not among it: who sent them is not who sent the message around. */
function Text({ id, part, close }: { id: string; part: string; close: () => void }) {
  const [failed, setFailed] = useState(false);
  const frame = useRef<HTMLIFrameElement>(null);
  const loaded = () => {
    const page = frame.current!.contentDocument;
    if (!page?.body || page.contentType !== "text/html") return setFailed(true);
    const fit = () => (frame.current ? (frame.current.style.height = `${page.documentElement.offsetHeight + 16}px`) : 0);
    new ResizeObserver(fit).observe(page.body);
    page.addEventListener("keydown", (e) => e.key === "Escape" && close());
    page.addEventListener("click", (e) => {
      const link = (e.target as Element).closest<HTMLAnchorElement>("a[href^='mailto:']");
      if (!link) return;
      e.preventDefault();
      close();
      void compose(mailto(link.href));
    });
  };
  if (failed) return <p class="soft">{t("read_failed")}</p>;
  return (
    <iframe ref={frame} title={t("message_text")} sandbox="allow-same-origin allow-popups allow-popups-to-escape-sandbox" src={`/m/${id}/body?part=${part}&images=0&${theme()}&lang=${lang}`}
      onLoad={loaded} />
  );
}
