// Who signs in for the first time is shown around: three notes, each beside what it is about. They can be skipped, do not
// keep anybody from the page, and come once to an account, in whatever browser.

import { render } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { api } from "../core/jmap";
import { route } from "../core/route";
import { t } from "../core/text";
import { Button, IconButton } from "../ui/button";
import { useName } from "../ui/id";
import { place } from "../ui/place";

/** steps are the notes, each with what it stands beside: the first of them that is in sight. */
const steps = [
  { name: "find", beside: ["#search", ".topbar"] },
  { name: "send", beside: [".folders a[href='/mail/sent']", ".bottombar [aria-expanded]", ".topbar .only-narrow"] },
  { name: "settings", beside: ["a.to-settings", ".bottombar a[href='/settings/']", ".topbar .who"] },
];

const gap = 10; // pixels between a note and what it is about

/** start shows somebody around, and answers whether that need not be done again. */
export async function start(): Promise<boolean> {
  const busy = route.peek().page !== "mail" || route.peek().thread || document.querySelector("dialog[open], .compose");
  if (busy) return false;
  await new Promise<void>((resolve) => {
    const host = document.createElement("div");
    document.body.append(host);
    const before = document.activeElement as HTMLElement | null;
    const close = () => {
      const had = host.contains(document.activeElement);
      render(null, host);
      host.remove();
      if (had && before?.isConnected) before.focus();
      resolve();
    };
    render(<Tour close={close} />, host);
  });
  return (await api<{ seen: boolean }>("PUT", "/api/tour", { seen: true })).seen;
}

function Tour({ close }: { close: () => void }) {
  const [at, setAt] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const [title, text] = [useName(), useName()];
  const { name, beside } = steps[at]!;
  const last = at === steps.length - 1;
  useLayoutEffect(() => {
    const popup = box.current!;
    let target: Element | undefined;
    const stand = () => {
      target?.removeAttribute("data-toured");
      target = inSight(beside);
      target?.setAttribute("data-toured", "");
      const { left, right, top, bottom } = target?.getBoundingClientRect() ?? { left: 16, right: 16, top: 64, bottom: 64 };
      place(popup, { left, right, top: top - gap, bottom: bottom + gap });
    };
    popup.showPopover();
    stand();
    popup.focus({ preventScroll: true }); // so that it is read
    addEventListener("resize", stand);
    return () => {
      removeEventListener("resize", stand);
      target?.removeAttribute("data-toured");
    };
  }, [at]);
  useEffect(() => {
    const escape = (e: KeyboardEvent) => e.key === "Escape" && !e.defaultPrevented && !document.querySelector("dialog[open]") && close();
    addEventListener("keydown", escape);
    const stop = route.subscribe((r) => r.page !== "mail" && queueMicrotask(close)); // who goes to the settings has been shown them
    return () => {
      removeEventListener("keydown", escape);
      stop();
    };
  }, []);
  const keys = (e: KeyboardEvent) => {
    e.stopPropagation(); // the keys of the page rest
    if (e.key === "Escape") close();
  };
  return (
    <div ref={box} class="tour" role="dialog" aria-labelledby={title} aria-describedby={text} tabIndex={-1} popover="manual" onKeyDown={keys}>
      <div class="tour-head">
        <p class="soft">{t("tour")} · {t("tour_step", { n: at + 1, all: steps.length })}</p>
        <IconButton icon="x" label={t("close")} onClick={close} />
      </div>
      <h2 id={title}>{t(`tour_${name}`)}</h2>
      <p id={text}>{t(`tour_${name}_text`)}</p>
      <div class="tour-foot">
        {!last && <Button onClick={close}>{t("tour_skip")}</Button>}
        {at > 0 && <Button onClick={() => setAt(at - 1)}>{t("back")}</Button>}
        <Button primary onClick={() => (last ? close() : setAt(at + 1))}>{t(last ? "tour_done" : "tour_next")}</Button>
      </div>
    </div>
  );
}

function inSight(selectors: string[]): Element | undefined {
  return selectors.map((s) => document.querySelector(s)).find((e): e is Element => {
    const box = e?.getBoundingClientRect();
    return !!box && box.width > 0 && box.left >= 0 && box.right <= innerWidth && box.top >= 0 && box.bottom <= innerHeight;
  });
}
