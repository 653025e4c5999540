// What became of a message that was sent, recipient by recipient.

import { useEffect, useState } from "preact/hooks";
import { call } from "../core/jmap";
import { onChange } from "../core/mail";
import { visit } from "../core/route";
import { t } from "../core/text";
import { Button } from "../ui/button";
import { Icon } from "../ui/icon";
import { correctAddress } from "./correct";
import { when, wrongAddress, type Recipient } from "./data";
import { whereIs } from "./whereis";

interface Submission {
  /** id or emailSubmissionId is there if it was handed in over JMAP: then the Outbox has what failed of it. */
  id?: string;
  emailSubmissionId?: string | null;
  undoStatus: "pending" | "final" | "canceled";
  traceId: string;
  recipients: Record<string, Recipient>;
}

/** Sent is what is asked about: an email that was sent, or a report and its conversation. */
type Sent = { emailId: string } | { reportId: string; threadId: string };

/** submissions asks for what was sent, the newest last. */
async function submissions(sent: Sent): Promise<Submission[]> {
  if ("emailId" in sent) return (await call<Submission>("Delivery/get", sent)).list;
  const found = call("EmailSubmission/query", { filter: { threadIds: [sent.threadId] }, sort: [{ property: "sentAt" }], limit: 20 });
  const all = call<Submission>("EmailSubmission/get", { "#ids": found.ref("/ids"), properties: ["id", "undoStatus", "traceId", "recipients"] });
  const others = call<Submission>("Delivery/get", { emailId: sent.reportId });
  found.catch(() => {}); // the other fails with it
  others.catch(() => {});
  const handedIn = (await all).list;
  // What a mail program sent over SMTP is known by what the report says.
  return handedIn.some((s) => Object.values(s.recipients).some((r) => r.state === "bounced")) ? handedIn : [...handedIn, ...(await others).list];
}

const ended = new Set(["delivered", "bounced", "cancelled"]);

/** useSubmissions keeps them true while something may change. */
function useSubmissions(sent: Sent): Submission[] {
  const [list, setList] = useState<Submission[]>([]);
  const key = JSON.stringify(sent);
  useEffect(() => {
    let mine = true;
    let settled = false;
    const look = () => {
      if (settled) return;
      submissions(sent).then((all) => {
        if (!mine) return;
        settled = !("threadId" in sent) && all.every((s) => Object.values(s.recipients).every((r) => ended.has(r.state)));
        setList(all);
      }, () => {}); // it is asked again with the next change
    };
    look();
    const stop = onChange(look);
    return () => {
      mine = false;
      stop();
    };
  }, [key]);
  return list;
}

/** Delivery says of each recipient of a sent message whether it is there, also of one that another program sent. */
export function Delivery({ emailId }: { emailId: string }) {
  const all = useSubmissions({ emailId });
  const recipients = new Map<string, { r: Recipient; s: Submission }>();
  for (const s of all) for (const [address, r] of Object.entries(s.recipients)) if (s.undoStatus !== "canceled" && r.state !== "cancelled") recipients.set(address, { r, s });
  if (!recipients.size) return null;
  const list = [...recipients];
  const there = list.filter(([, { r }]) => r.state === "delivered").length;
  const trouble = list.some(([, { r }]) => r.state === "bounced" || r.state === "delayed" || r.state === "held");
  const bad = list.some(([, { r }]) => r.state === "bounced");
  const summary = list.length === 1 ? [stateOf(list[0]![1].r), list[0]![1].r.opened && t("delivery_opened", { time: when(list[0]![1].r.opened) })].filter(Boolean).join("; ") : there === list.length ? t("delivery_all", { n: there }) : t("delivery_some", { n: there, all: list.length });
  return (
    <details class={`delivery ${bad ? "trouble" : ""}`} open={trouble}>
      <summary><Icon name={there === list.length ? "circle-check" : bad ? "circle-alert" : "clock"} />{summary}</summary>
      <ul>
        {list.map(([address, { r, s }]) => (
          <li key={address}>
            <span class="delivery-who">{address}</span> <span class={r.state === "bounced" ? "why" : "soft"}>{stateOf(r)}</span>
            {r.opened && <> <span class="soft">{t("delivery_opened", { time: when(r.opened) })}</span></>}
            {r.why && r.state !== "delivered" && <p>{r.why.text}</p>}
            {r.state === "delayed" && r.giveUp && <p class="soft">{t("outbox_until", { time: when(r.giveUp) })}</p>}
            {r.state === "bounced" && <Mend r={r} handed={!!(s.id ?? s.emailSubmissionId)} label={t("correct_send")} correct={() => correctAddress(s.traceId, { ...r, address })} />}
          </li>
        ))}
      </ul>
      <Button icon="route" onClick={() => whereIs(emailId)}>{t("where_title")}</Button>
    </details>
  );
}

/** stateOf is how far a message is for a recipient, in words. */
export function stateOf(r: Recipient): string {
  switch (r.state) {
    case "delivered":
      return [r.host ? t("delivered_to", { host: r.host }) : t("delivered"), r.last && when(r.last)].filter(Boolean).join(", ");
    case "delayed":
      return r.nextTry ? t("state_delayed", { time: when(r.nextTry) }) : t("state_waiting");
    case "scheduled":
      return r.nextTry ? t("state_scheduled", { time: when(r.nextTry) }) : t("state_waiting");
    case "bounced":
      return t("not_delivered");
    case "held":
      return t("state_held");
    case "sending":
      return t("state_sending");
    case "cancelled":
      return t("outbox_stopped");
  }
  return t("state_waiting");
}

/** Mend corrects an address where that helps; what helps otherwise is in the Outbox, if the message was handed in here. */
function Mend({ r, handed, label, correct, primary }: { r: Recipient; handed: boolean; label: string; correct: () => unknown; primary?: boolean }) {
  const address = !handed || r.suggestion || wrongAddress.test(r.why?.cause ?? "");
  return <Button primary={primary} onClick={() => void (address ? correct() : visit("outbox"))}>{address ? label : t("bounce_do")}</Button>;
}

/** Bounced says above a report of the service what it is about, and mends it. */
export function Bounced({ emailId, threadId }: { emailId: string; threadId: string }) {
  const all = useSubmissions({ reportId: emailId, threadId });
  const failures = all.flatMap((s) => Object.entries(s.recipients).filter(([, r]) => r.state === "bounced").map(([address, r]) => ({ address, r, s })));
  return (
    <>
      {failures.map(({ address, r, s }) => (
        <div key={s.traceId + address} class="message-banner bad">
          <Icon name="circle-alert" />
          <div>
            <strong>{t("bounce_title", { who: address })}</strong>
            <div>{r.why?.text} {r.suggestion && t("outbox_meant", { address: r.suggestion })}</div>
          </div>
          <Mend primary r={r} handed={!!(s.id ?? s.emailSubmissionId)} label={t("correct_again")} correct={() => correctAddress(s.traceId, { ...r, address }, emailId)} />
        </div>
      ))}
    </>
  );
}
