// A conversation: its messages from the oldest to the newest. Read ones are a line each; the newest, and what was not
// read, are open.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { isUnread, keyword } from "../core/actions";
import { accountOf, LineError, MethodError } from "../core/jmap";
import { labelName, labelsOf, labelStyle } from "../core/labels";
import { fetchThread, inThread, may } from "../core/mail";
import { go } from "../core/route";
import { t } from "../core/text";
import { Button, IconButton } from "../ui/button";
import { present } from "../mail/state";
import { Message } from "./message";
import { Tools } from "./tools";

/** folded is how many messages stand between the first and the last before the middle is folded away. */
const folded = 4;

/** most is how many messages that were not read are open at once: the newest. */
const most = 20;

export function Conversation({ id }: { id: string }) {
  const [failed, setFailed] = useState<unknown>();
  const [loaded, setLoaded] = useState(false);
  const [whole, setWhole] = useState(false);
  const unreadAtFirst = useRef(new Set<string>());
  const top = useRef<HTMLDivElement>(null);

  const load = () => {
    let here = true;
    setFailed(undefined);
    fetchThread(id).then(() => {
      if (!here) return; // who went on before anything was shown has not read it
      const unread = inThread(id).filter(isUnread).map((e) => e.id);
      unreadAtFirst.current = new Set(unread);
      setLoaded(true);
      const mine = inThread(id).filter((e) => isUnread(e) && may(e, "maySetSeen")).map((e) => e.id);
      if (mine.length) void keyword(mine, "$seen", true).catch(() => {}); // it is marked the next time it is read
    }, setFailed);
    return () => {
      here = false;
    };
  };
  useEffect(load, [id]);
  useEffect(() => top.current?.focus({ preventScroll: true }), [id]);

  const emails = present(inThread(id).filter((e) => Object.keys(e.mailboxIds).length > 0));
  const open = useMemo(() => new Set([...[...unreadAtFirst.current].slice(-most), ...emails.filter((e) => e.keywords.$draft).map((e) => e.id), emails.at(-1)?.id]), [loaded, emails.length]);
  const hidden = !whole && emails.length > folded + 2 ? emails.slice(1, -2).filter((e) => !open.has(e.id)).map((e) => e.id) : [];

  const broken = !!failed && !(failed instanceof MethodError && failed.type === "accountNotFound"); // which is what no longer shares anything
  if ((failed || loaded) && emails.length === 0) {
    return (
      <div class="nothing">
        <p>{t(!broken ? (accountOf(id) === accountOf() ? "read_gone" : "read_unshared") : failed instanceof LineError ? "read_no_line" : "read_failed")}</p>
        <p>
          {broken && <Button onClick={load}>{t("try_again")}</Button>}{" "}
          <Button onClick={() => go({ thread: "" })}>{t("back")}</Button>
        </p>
      </div>
    );
  }
  return (
    <div class="conversation" ref={top} tabIndex={-1}>
      <div class="reading-head">
        <IconButton icon="chevron-left" label={t("back")} class="only-narrow" onClick={() => go({ thread: "" })} keys="u" />
        <Tools thread={id} emails={emails} />
        <h1>
          {emails.length ? emails[0]!.subject || t("no_subject") : " "}{" "}
          {labelsOf(emails).map((k) => <a key={k} class="label" style={labelStyle(k)} href={`/mail/inbox?q=${encodeURIComponent(`label:"${labelName(k)}"`)}`}>{labelName(k)}</a>)}
        </h1>
      </div>
      {emails.map((e, i) => {
        if (hidden.includes(e.id)) {
          return e.id !== hidden[0] ? null : (
            <button key="more" class="more-messages" onClick={() => setWhole(true)}>{t("more_messages", { n: hidden.length })}</button>
          );
        }
        return <Message key={e.id} email={e} open={open.has(e.id)} last={i === emails.length - 1} />;
      })}
    </div>
  );
}
