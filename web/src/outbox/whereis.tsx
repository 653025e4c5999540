// "Where is my mail?": what the service knows of a message, in words, in the order in which it happened.

import { useEffect, useState } from "preact/hooks";
import { explain } from "../core/actions";
import { call } from "../core/jmap";
import { lang, locale, longDate, number, t, time } from "../core/text";
import { Button } from "../ui/button";
import { Dialog, show } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { when, type Why } from "./data";

/** Line is one thing that happened. */
interface Line {
  time: string;
  traceId: string;
  kind: string;
  text: string;
  count: number;
  last: string;
  because?: string;
  instead?: string;
  cause?: string;
  why?: string;
  action?: string;
  again?: string;
}

interface Timeline {
  list: Line[];
  nothing: string;
  truncated: boolean;
}

/** TurnedAway is mail that was refused. */
interface TurnedAway {
  from: string;
  author: string | null;
  why: Why | null;
  first: string;
  times: number;
  came: string | null;
}

/** whereIs shows the way of a message in a dialog. */
export function whereIs(emailId: string): void {
  void show<void>((close) => <Dialog title={t("where_title")} onClose={close} wide><Way query={{ emailId }} /></Dialog>);
}

/** askWhere asks about a message that somebody waits for, or sent. */
export const askWhere = (): Promise<void> => show<void>((close) => <Ask close={close} />);

const day = new Intl.DateTimeFormat(locale, { weekday: "long", day: "numeric", month: "long", year: "numeric" });

function Way({ query }: { query: Record<string, unknown> }) {
  const [told, setTold] = useState<Timeline>();
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    let mine = true;
    setTold(undefined);
    setError(undefined);
    call<Timeline>("Trace/query", { ...query, limit: 200, lang }).then((a) => mine && setTold(a), (e) => mine && setError(e));
    return () => {
      mine = false;
    };
  }, [JSON.stringify(query)]);
  if (error !== undefined) return <p role="alert">{explain(error)}</p>;
  if (!told) return <p class="soft">{t("loading")}</p>;
  if (!told.list.length) return <p>{query.emailId ? t("where_brought") : told.nothing}</p>;
  const days = told.list.map((l) => day.format(new Date(l.time)));
  return (
    <>
      {[...new Set(days)].map((d) => (
        <section key={d}>
          <h3>{d}</h3>
          <ol class="way">{told.list.map((l, i) => days[i] === d && <Step key={i} l={l} />)}</ol>
        </section>
      ))}
      {told.truncated && <p class="soft">{t("where_more")}</p>}
      <p class="soft">{t("where_reference", { id: told.list[0]!.traceId })}</p>
    </>
  );
}

function Step({ l }: { l: Line }) {
  return (
    <li class={l.cause ? "caused" : ""}>
      <time dateTime={l.time}>{time(new Date(l.time))}</time>
      <div>
        <p>{l.text}{l.count > 1 && <span class="soft"> {t("where_times", { n: l.count, time: when(l.last) })}</span>}</p>
        {l.why && <p class="soft">{l.why}{l.again && ` ${t("where_again", { time: longDate(new Date(l.again)) })}`}</p>}
        {l.action && <p class="way-action"><Icon name="info" />{l.action}</p>}
        {l.because && <p class="soft">{t("where_because", { reasons: l.because })}</p>}
        {l.instead && <p class="soft">{t("where_instead", { reasons: l.instead })}</p>}
      </div>
    </li>
  );
}

/** back are the days that can be looked back. */
const back = [1, 3, 7, 30];

function Ask({ close }: { close: () => void }) {
  const [text, setText] = useState("");
  const [since, setSince] = useState(3);
  const [asked, setAsked] = useState<{ text: string; since: string }>();
  return (
    <Dialog title={t("where_title")} onClose={close} wide>
      <form class="form where-ask" onSubmit={(e) => {
        e.preventDefault();
        if (text.trim()) setAsked({ text: text.trim(), since: new Date(Date.now() - since * 86400e3).toISOString().replace(/\.\d+/, "") });
      }}>
        <label>{t("where_who")}<input type="text" value={text} autofocus autocomplete="off" spellcheck={false} placeholder="anna@example.org" onInput={(e) => setText(e.currentTarget.value)} /></label>
        <label>{t("where_since")}<select value={since} onChange={(e) => setSince(Number(e.currentTarget.value))}>{back.map((n) => <option key={n} value={n}>{t("where_days", { n })}</option>)}</select></label>
        <Button primary type="submit" disabled={!text.trim()}>{t("where_look")}</Button>
      </form>
      {asked && <div class="where-found" aria-live="polite"><Way query={asked} />{asked.text.includes("@") && <Away sender={asked.text} since={asked.since} />}</div>}
    </Dialog>
  );
}

/** Away is mail of a sender that was turned away, with the way to let it in, and to take that back. */
function Away({ sender, since }: { sender: string; since: string }) {
  const [list, setList] = useState<TurnedAway[]>([]);
  const [allowed, setAllowed] = useState(false);
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    const of = (r: TurnedAway) => r.from.toLowerCase() === sender.toLowerCase() || r.author?.toLowerCase() === sender.toLowerCase();
    call<{ list: TurnedAway[] }>("Refused/query", { since, lang }).then((a) => setList(a.list.filter(of)), setError);
  }, [sender, since]);
  // A message is believed to be from the address that it shows, which need not be the one that sent it.
  const who = list.find((r) => r.author)?.author ?? sender;
  useEffect(() => {
    call<{ list: { sender: string }[] }>("Refused/allowed", {}).then((a) => setAllowed(a.list.some((s) => s.sender === who.toLowerCase())), setError);
  }, [who]);
  const allow = (yes: boolean) => void call("Refused/allow", { sender: who, allow: yes }).then(() => setAllowed(yes), setError);
  if (error !== undefined) return <p role="alert">{explain(error)}</p>;
  if (!list.length && !allowed) return null;
  return (
    <section class="turned-away">
      {list.length > 0 && <h3>{t("refused_title", { n: list.length })}</h3>}
      <ul>
        {list.slice(0, 10).map((r, i) => (
          <li key={i}>
            <time dateTime={r.first}>{longDate(new Date(r.first))}</time>: {r.why?.text}
            {r.came && ` ${t("refused_came", { time: longDate(new Date(r.came)) })}`} {r.times > 1 && <span class="soft">({number(r.times)})</span>}
          </li>
        ))}
      </ul>
      {allowed && <p role="status">{t("refused_allowed", { who })}</p>}
      <Button onClick={() => allow(!allowed)}>{allowed ? t("refused_disallow") : t("refused_allow", { who })}</Button>
    </section>
  );
}
