import { useEffect } from "preact/hooks";
import { fetchThread, inThread, type Email } from "../core/mail";
import { isUnread, keyword } from "../core/actions";
import { go } from "../core/route";
import { longDate, t } from "../core/text";
import { IconButton } from "../ui/button";

export function Conversation({ id }: { id: string }) {
  useEffect(() => {
    void fetchThread(id).then(() => {
      const unread = inThread(id).filter(isUnread).map((e) => e.id);
      if (unread.length) void keyword(unread, "$seen", true);
    });
  }, [id]);
  const emails = inThread(id);
  return (
    <>
      <div class="reading-head">
        <IconButton icon="chevron-left" label={t("back")} class="only-narrow" onClick={() => go({ thread: "" })} />
        <h1>{emails[0]?.subject || (emails.length ? t("no_subject") : "")}</h1>
      </div>
      {emails.map((e) => <Message key={e.id} e={e} />)}
    </>
  );
}

function Message({ e }: { e: Email }) {
  return (
    <article class="message">
      <header>
        <strong>{e.from?.[0]?.name || e.from?.[0]?.email}</strong> <time class="soft" dateTime={e.receivedAt}>{longDate(new Date(e.receivedAt))}</time>
      </header>
      <iframe
        class="body"
        title={t("message_text")}
        src={`/m/${e.id}/body`}
        sandbox="allow-same-origin allow-popups allow-popups-to-escape-sandbox"
        onLoad={(event) => {
          const frame = event.currentTarget as HTMLIFrameElement;
          frame.style.height = `${frame.contentDocument?.documentElement.scrollHeight ?? 300}px`;
        }}
      />
    </article>
  );
}
