// The Outbox: what has not reached everybody yet, why, when it goes on, and the one thing to do about it.

import { useEffect } from "preact/hooks";
import { compose } from "../compose/open";
import { explain, say } from "../core/actions";
import { first } from "../core/first";
import { call } from "../core/jmap";
import { load } from "../core/load";
import { lookHere, unshelve, waitingHere, type Outgoing } from "../core/outbox";
import { go } from "../core/route";
import { longDate, size, t } from "../core/text";
import { Button } from "../ui/button";
import { confirm, Dialog, show } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { MenuButton } from "../ui/menu";
import { Countdown, toast } from "../ui/toast";
import { correctAddress, correctTo } from "./correct";
import { act, asLink, failed, follow, limits, look, next, waiting, when, otherSenders, withFiles, wrongAddress, wrongSender, type Meter, type Recipient, type Sender, type Waiting, type Why } from "./data";
import { stateOf } from "./delivery";
import { askWhere, whereIs } from "./whereis";

export function Outbox() {
  useEffect(follow, []);
  useEffect(() => void lookHere(), []);
  const all = waiting.value;
  const here = waitingHere.value;
  return (
    <>
      <div class="list-head">
        <h1>{t("mailbox_outbox")}</h1>
        <span class="gap" />
        <Button icon="route" onClick={() => void askWhere()}>{t("where_title")}</Button>
      </div>
      <div class="outbox" id="list" tabIndex={-1}>
        {limits.value?.closed && <Closed why={limits.value.closed} />}
        {limits.value?.sending.filter((m) => m.closed).map((m, i) => <Paused key={m.counted} meter={m} waiting={limits.value!.waiting} senders={i ? [] : limits.value!.senders} />)}
        {failed.value !== undefined && !all && <div class="nothing" role="alert"><p>{explain(failed.value)}</p><Button onClick={() => void look()}>{t("try_again")}</Button></div>}
        {!all && failed.value === undefined && <p class="nothing">{t("loading")}</p>}
        {all?.length === 0 && here.length === 0 && <div class="nothing"><Icon name="circle-check" /><p>{t("outbox_empty")}</p></div>}
        <ul>
          {here.map((o) => <Here key={o.id} o={o} />)}
          {all?.map((w) => <Row key={w.id} w={w} />)}
        </ul>
      </div>
    </>
  );
}

/** Closed says why nothing is sent from this account, and what to do. */
function Closed({ why }: { why: Why }) {
  return (
    <section class="outbox-paused" role="status">
      <h2><Icon name="shield-alert" />{why.title}</h2>
      <p>{why.text} {why.action}</p>
      <p><a href="/settings/security">{t("closed_secure")}</a></p>
    </section>
  );
}

/** Paused says that a limit is reached, and when it is over. */
function Paused({ meter: m, waiting: n, senders }: { meter: Meter; waiting: number; senders: Sender[] }) {
  return (
    <section class="outbox-paused" role="status">
      <h2><Icon name="pause" />{m.resets ? t("paused_until", { time: when(m.resets) }) : t("paused")}</h2>
      <p>{m.why?.text} {n > 0 && t("paused_waiting", { n })}</p>
      <meter min={0} low={m.limit / 2} high={m.limit * 0.9} optimum={0} max={m.limit} value={m.used} aria-label={t("paused_meter")} />
      <p class="soft">{t("paused_used", { used: m.used, limit: m.limit })}</p>
      {senders.length > 0 && (
        <>
          <h3>{t("paused_senders")}</h3>
          <ul class="outbox-senders">
            {senders.map((s) => <li key={s.from}>{s.from ? t("paused_program", { from: s.from, n: s.messages, time: when(s.last!) }) : t("paused_webmail", { n: s.messages })}</li>)}
          </ul>
        </>
      )}
      <p><a href="/settings/security">{t("paused_not_you")}</a></p>
    </section>
  );
}

/** Here is a message that has not left this device. */
function Here({ o }: { o: Outgoing }) {
  const back = async () => {
    const part = await load<typeof import("../compose/main")>("compose");
    await unshelve(o.id);
    await part.restore(o.draft as Parameters<typeof part.restore>[0]);
  };
  return (
    <li class={`outbox-row ${o.refused ? "bounced" : ""}`}>
      <p class="outbox-who">{o.to.join(", ")}</p>
      <p class="outbox-subject">{o.subject || t("no_subject")}</p>
      <p class={`outbox-state ${o.refused ? "why" : ""}`}><Icon name={o.refused ? "circle-alert" : "wifi-off"} />{t(o.refused ? "state_bounced" : "state_here")}</p>
      <p>{o.refused ?? t("state_here_why")}</p>
      <div class="outbox-do"><Button primary={!!o.refused} onClick={() => void back().catch(say)}>{t(o.refused ? "correct" : "outbox_back")}</Button></div>
    </li>
  );
}

const openOf = (w: Waiting): Recipient[] => w.recipients.filter((r) => r.state !== "delivered" && r.state !== "cancelled");

function Row({ w }: { w: Waiting }) {
  const open = openOf(w);
  const worst = open.find((r) => r.state === w.state) ?? open[0];
  const done = w.recipients.length - open.length;
  const mixed = open.some((r) => r.state !== open[0]!.state || r.why?.cause !== open[0]!.why?.cause);
  const to = open.map((r) => r.address);
  const read = async () => {
    const answer = await call<{ threadId: string }>("Email/get", { ids: [w.emailId], properties: ["threadId"] });
    if (answer.list[0]) go({ thread: answer.list[0].threadId });
  };
  const subject = w.subject || t("no_subject");
  return (
    <li class={`outbox-row ${w.state}`}>
      <p class="outbox-who" title={to.join(", ")}>{to.slice(0, 3).join(", ")}{to.length > 3 && ` ${t("outbox_more", { n: to.length - 3 })}`}</p>
      <p class="outbox-subject">{w.emailId ? <button type="button" class="link" onClick={() => void read().catch(say)}>{subject}</button> : subject} <span class="soft">{size(w.size)}</span></p>
      <StateLine w={w} />
      {worst?.why && w.state !== "scheduled" && !limited(worst) && <p>{reason(worst)}{w.state === "bounced" && worst.why.action && !worst.suggestion && (!asLink.test(worst.why.cause) || linked(w)) && ` ${worst.why.action}`}</p>}
      {w.state === "held" && !worst?.why && <p>{t("state_held_why")}</p>}
      {w.state === "delayed" && worst?.giveUp && !limited(worst) && <p class="soft">{t("outbox_until", { time: when(worst.giveUp) })}</p>}
      {mixed && <Each list={open} />}
      {done > 0 && <p class="soft">{t("outbox_done", { n: done, all: w.recipients.length })}</p>}
      <Actions w={w} r={worst} />
    </li>
  );
}

/** most is how many recipients of a message are told of in its row. */
const most = 5;

/** Each says of each recipient how far the message is, where that is not the same for all. */
function Each({ list }: { list: Recipient[] }) {
  return (
    <ul class="outbox-each">
      {list.slice(0, most).map((r) => (
        <li key={r.address}>{r.address}: <span class={r.state === "bounced" ? "why" : "soft"}>{stateOf(r)}{r.why && ` · ${r.why.title}`}</span></li>
      ))}
      {list.length > most && <li class="soft">{t("outbox_more", { n: list.length - most })}</li>}
    </ul>
  );
}

/** limited tells of what waits until sending is open again, which stands above all of it once. */
const limited = (r: Recipient | undefined): boolean => !!r?.why?.cause.startsWith("limit.") && !!limits.value?.sending.some((m) => m.closed);

/** reason is why a message waits or failed, in a sentence or two. */
function reason(r: Recipient): string {
  const text = r.why?.text || r.why?.title || "";
  return r.suggestion ? `${text} ${t("outbox_meant", { address: r.suggestion })}` : text;
}

/** isSoon tells of a message that waits only so that it can be taken back. */
const isSoon = (w: Waiting): boolean => w.state === "scheduled" && new Date(w.sendAt ?? 0).getTime() - Date.now() < (first.undo + 5) * 1000;

function StateLine({ w }: { w: Waiting }) {
  const at = w.sendAt ? new Date(w.sendAt).getTime() : 0;
  const soon = isSoon(w);
  useEffect(() => {
    if (!soon) return;
    const timer = setTimeout(() => void look(), Math.max(500, at - Date.now() + 1000));
    return () => clearTimeout(timer);
  }, [soon, at]);
  const again = next(w);
  switch (w.state) {
    case "scheduled":
      return <p class="outbox-state"><Icon name="clock" />{soon ? <>{t("state_undo")}<Countdown ends={at} /></> : t("state_scheduled", { time: when(w.sendAt ?? again!) })}</p>;
    case "delayed":
      if (again && w.recipients.some(limited)) return <p class="outbox-state"><Icon name="clock" />{t("state_scheduled", { time: when(again) })}</p>;
      return <p class="outbox-state"><Icon name="refresh-cw" />{again && new Date(again).getTime() > Date.now() ? t("state_delayed", { time: when(again) }) : t("state_sending")}</p>;
    case "bounced":
      return <p class="outbox-state why"><Icon name="circle-alert" />{t("state_bounced")}</p>;
    case "held":
      return <p class="outbox-state"><Icon name="pause" />{t("state_held")}</p>;
    case "sending":
      return <p class="outbox-state"><Icon name="send" />{t("state_sending")}</p>;
  }
  return <p class="outbox-state"><Icon name="clock" />{t("state_waiting")}</p>;
}

/** Act is a thing to do. */
interface Act {
  label: string;
  run: () => unknown;
  icon?: string;
}

// The causes by what helps against them.
const theirs = /^(?:content\.looks-like-spam|recipient\.refuses|reputation\.(?!greylisted)|sender\.|tls\.)/;
const mayBeThere = "outbox.accepted-unconfirmed";
const later = /^(?:quota\.recipient-full|content\.malformed)/;

/** linked tells whether a message has files, which could go as links. */
const linked = (w: Waiting): boolean => withFiles.value.has(w.emailId ?? "");

/** actsOf are what can be done with a message, the best first. */
function actsOf(w: Waiting, r: Recipient | undefined): Act[] {
  const does = (action: string) => act(w.id, action).catch(say);
  const cause = r?.why?.cause ?? "";
  const id = w.emailId;
  const again = async (links: boolean) => {
    const over = w.state === "bounced";
    await compose({ kind: "again", emailId: id!, links, ...(over ? { instead: w.id } : {}), to: openOf(w).map((x) => ({ name: null, email: x.address })) });
    if (!over) await act(w.id, "cancel");
  };
  const acts: Act[] = [];
  const anew: Act = { label: t("send_again"), icon: "file-pen", run: () => again(false).catch(say) };
  const where: Act = { label: t("where_title"), icon: "route", run: () => whereIs(id!) };
  const correct: Act | undefined = r && { label: t("correct_send"), icon: "pencil", run: () => correctAddress(w.id, r) };
  if (r?.suggestion) {
    acts.push({
      label: t("correct_to", { domain: r.suggestion.split("@").at(-1)! }), icon: "pencil",
      run: () => correctTo(w.id, r.address, r.suggestion!).catch(say),
    });
  }
  const large = id && asLink.test(cause);
  if (large && linked(w)) acts.push({ label: t("send_as_link"), icon: "link", run: () => again(true).catch(say) });
  if (id && otherSenders.value && wrongSender.test(cause)) acts.push({ label: t("other_sender"), icon: "user", run: () => again(false).catch(say) });
  if (correct && !r?.suggestion && wrongAddress.test(cause)) acts.push(correct);
  if (id && w.state === "bounced" && (later.test(cause) || (large && !acts.length))) acts.push(anew);
  if (id && cause === mayBeThere) acts.push(where);
  if (r && (theirs.test(cause) || (w.state === "bounced" && !acts.length))) acts.push({ label: t("postmaster_note"), icon: "copy", run: () => copyNote(w, r) });
  const cancel: Act = { label: t(w.state !== "scheduled" ? "outbox_back" : isSoon(w) ? "outbox_cancel" : "outbox_change"), icon: "undo-2", run: () => takeBack(w).catch(say) };
  if (w.state === "scheduled") acts.push(cancel);
  if (w.actions.includes("sendNow") && (w.state === "held" || !limited(r))) acts.push({ label: t("send_now"), icon: "send", run: () => does("sendNow") });
  if (w.actions.includes("cancel") && w.state !== "scheduled") acts.push(cancel);
  if (correct && !acts.includes(correct)) acts.push({ ...correct, label: t("other_address") });
  if (id && w.state === "bounced" && !acts.includes(anew)) acts.push(anew);
  if (w.actions.includes("hold")) acts.push({ label: t("outbox_hold"), icon: "pause", run: () => does("hold") });
  if (id && !acts.includes(where)) acts.push(where);
  if (w.actions.includes("dismiss")) acts.push({ label: t("outbox_dismiss"), icon: "check", run: () => does("dismiss") });
  return acts;
}

function Actions({ w, r }: { w: Waiting; r: Recipient | undefined }) {
  const [best, ...others] = actsOf(w, r);
  if (!best) return null;
  return (
    <div class="outbox-do">
      <Button primary={w.state === "bounced" || w.state === "held"} icon={best.icon} onClick={() => void best.run()}>{best.label}</Button>
      {others.length > 0 && <MenuButton label={t("more")} items={() => others} />}
    </div>
  );
}

/** takeBack makes a draft of a message again and opens it. */
async function takeBack(w: Waiting): Promise<void> {
  const there = w.recipients.filter((r) => r.state === "delivered").map((r) => r.address);
  if (there.length && !(await confirm(t("outbox_partly_title"), t("outbox_partly", { who: there.join(", ") }), t("outbox_stop")))) return;
  const { emailId } = await act(w.id, "cancel");
  if (emailId) await compose({ kind: "draft", emailId });
  toast(t(emailId ? "undone" : "outbox_stopped"));
}

/** copyNote copies what the other side's postmaster needs to know. */
async function copyNote(w: Waiting, r: Recipient): Promise<void> {
  const note = t("postmaster_text", {
    to: r.address, from: w.from, time: `${longDate(new Date(w.created))} (${w.created})`, reply: r.reply ?? r.why?.title ?? "", host: r.host ?? r.address.split("@").at(-1)!,
    id: w.messageId ? `<${w.messageId}>` : "", reference: w.id,
  });
  try {
    await navigator.clipboard.writeText(note);
    toast(t("note_copied"));
  } catch {
    await show<void>((close) => <Dialog title={t("postmaster_note")} onClose={close}><textarea class="note" readOnly rows={12} aria-label={t("postmaster_note")}>{note}</textarea></Dialog>);
  }
}
