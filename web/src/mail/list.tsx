import { useEffect, useRef } from "preact/hooks";
import { signal } from "@preact/signals";
import { passes } from "../core/jmap";
import { route } from "../core/route";
import { t } from "../core/text";
import { Button } from "../ui/button";
import { Icon } from "../ui/icon";
import { Virtual, type VirtualHandle } from "../ui/virtual";
import { Empty } from "./empty";
import { gestures } from "./gestures";
import { ListHead } from "./head";
import { Row } from "./row";
import { coming, cursor, density, list } from "./state";

/** larger is how much larger somebody lets the browser write than is usual. */
const larger = Math.max(1, parseFloat(getComputedStyle(document.documentElement).fontSize) / 16);

const rowHeights = { roomy: 78 * larger, compact: 52 * larger };

/** rows is the list on the screen, for the keys. */
export const rows: { current: VirtualHandle | null } = { current: null };

/** news is how many conversations came while somebody looks further down. */
const news = signal(0);

export function MailList() {
  const l = list.value;
  const pane = useRef<HTMLDivElement>(null);
  useEffect(() => gestures(pane.current!), []);
  const reading = route.value.thread !== "";
  useEffect(() => {
    // Who closes a conversation is back at its row.
    if (!reading && document.activeElement === document.body && cursor.peek()) document.querySelector<HTMLElement>("#list .row[tabindex='0']")?.focus({ preventScroll: true });
  }, [reading]);
  useEffect(() => {
    news.value = 0;
  }, [l]);
  return (
    <>
      <ListHead />
      <div class={`list-body ${density.value}`} ref={pane} aria-busy={coming.value || undefined}>
        {coming.value && <div class="working" />}
        {news.value > 0 && (
          <button type="button" class="pill" onClick={toTop}>
            <Icon name="chevron-up" /> {t("new_messages", { n: news.value })}
          </button>
        )}
        <Rows key={key(l)} />
      </div>
    </>
  );
}

const keys = new WeakMap<object, number>();
let nextKey = 1;

/** key is another one for each list, so that each keeps its own place. */
function key(l: object | undefined): number {
  if (!l) return 0;
  if (!keys.has(l)) keys.set(l, nextKey++);
  return keys.get(l)!;
}

function Rows() {
  const l = list.value;
  const d = density.value;
  if (!l) return <Waiting />;
  void l.version.value;
  const total = l.total.value;
  if (total === undefined) return l.failed.value ? <Failed /> : <Waiting />;
  if (total === 0) return <Empty />;
  const at = cursor.value ? l.indexOf(cursor.value) : 0;
  return (
    <Virtual
      key={d}
      id="list"
      count={total}
      height={rowHeights[d]}
      handle={rows}
      label={t("messages")}
      keyOf={(i) => l.at(i)}
      indexOf={(id) => l.indexOf(id)}
      held={at < 0 ? 0 : at}
      initial={l.scroll}
      onRange={(from, to) => l.need(from, to)}
      onTop={(top) => top && (news.value = 0)}
      onShift={(by) => by > 0 && (news.value += by)}
      onScroll={(top) => (l.scroll = top)}
      row={(i) => <Row id={l.at(i)} index={i} tab={at < 0 ? i === 0 : i === at} />}
    />
  );
}

function toTop(): void {
  news.value = 0;
  rows.current?.setTop(0);
}

function Waiting() {
  return (
    <div class="skeleton" role="status" aria-label={t("loading")}>
      {Array.from({ length: 12 }, (_, i) => <div key={i} class="row waiting" style={{ height: `${rowHeights[density.value]}px` }} />)}
    </div>
  );
}

function Failed() {
  return (
    <div class="nothing" role="alert">
      <Icon name="wifi-off" />
      <p>{t("list_failed")}</p>
      {passes(list.value?.failed.value) && <p class="soft">{t("list_again")}</p>}
      <Button onClick={() => list.value?.retry()}>{t("try_again")}</Button>
    </div>
  );
}
