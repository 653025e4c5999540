// The shell of the webmail: folders, a list, a conversation; on narrow screens one or two of them at a time.

import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { first, takeOver, tell, written } from "./core/first";
import { follow, onBack, route } from "./core/route";
import { api, online, sessionOver } from "./core/jmap";
import { load, usePart } from "./core/load";
import { changesWaiting } from "./core/standin";
import { loadTexts, t } from "./core/text";
import { hearWorker, startWorker } from "./core/worker";
import { sync } from "./core/mail";
import { Toasts } from "./ui/toast";
import { Button } from "./ui/button";
import { Icon } from "./ui/icon";
import { BottomBar } from "./mail/bottombar";
import { Folders } from "./mail/folders";
import { onKey } from "./mail/keys";
import { MailList } from "./mail/list";
import { Handle, paneWidths } from "./mail/panes";
import { QuotaNote } from "./mail/quota";
import { TopBar } from "./mail/topbar";
import { drawer, selectedCount, store, stored } from "./mail/state";
import { title } from "./mail/title";
import { begin } from "./compose/open";
import { ContactsPane, OutboxPane } from "./outbox/lazy";
import { Conversation } from "./read/conversation";

export function App() {
  useEffect(sync, []);
  useEffect(title, []);
  useEffect(() => {
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const r = route.value;
  if (r.page === "settings") return <SettingsPage />;
  return (
    <div class={`app ${r.thread ? "reading" : "listing"} ${selectedCount.value > 0 ? "choosing" : ""}`} style={paneWidths()} onClick={follow}>
      <a class="skip" href="#messages" onClick={toList}>{t("skip_to_list")}</a>
      <TopBar />
      <div class="notes">
        {sessionOver.value && <SessionOver />}
        <QuotaNote />
        {!online.value && <p class="line-down" role="status"><Icon name="wifi-off" /> {t("line_down")} {changesWaiting.value > 0 && t("changes_wait", { n: changesWaiting.value })}</p>}
      </div>
      <Drawer />
      <main>
        <section class="list-pane" id="messages" aria-label={t("messages")}>
          <Handle pane="folders" />
          {r.mailbox === "outbox" && !r.search ? <OutboxPane /> : r.mailbox === "contacts" && !r.search ? <ContactsPane /> : <MailList />}
          <Handle pane="list" />
        </section>
        <section class="reading-pane" aria-label={t("conversation")}>
          {r.thread ? <Conversation key={r.thread} id={r.thread} /> : r.mailbox !== "contacts" && <NothingOpen />}
          <div id="ready" inert aria-hidden="true" />
        </section>
      </main>
      <BottomBar />
      <Toasts />
    </div>
  );
}

/** SettingsPage are the settings, which are loaded when they are first opened. */
function SettingsPage() {
  const [failed, setFailed] = useState(false);
  const part = usePart<typeof import("./settings/index")>("settings", true, () => setFailed(true));
  return (
    <div class="app in-settings" onClick={follow}>
      {sessionOver.value && <SessionOver />}
      {part ? <part.Settings /> : failed ? (
        <div class="nothing">
          <p>{t("no_line")}</p>
          <Button onClick={() => location.reload()}>{t("try_again")}</Button>
        </div>
      ) : <main><p class="nothing">{t("loading")}</p></main>}
      <Toasts />
    </div>
  );
}

/** Drawer are the folders; on narrow screens they come out from the side, and keep the focus while they are open. */
function Drawer() {
  const box = useRef<HTMLElement>(null);
  const open = drawer.value;
  useEffect(() => {
    if (!open) return;
    const from = document.activeElement as HTMLElement | null;
    (box.current!.querySelector<HTMLElement>("[aria-current]") ?? box.current!.querySelector<HTMLElement>("a"))?.focus();
    const close = onBack(() => (drawer.value = false));
    return () => {
      close();
      if (box.current?.contains(document.activeElement)) from?.focus();
    };
  }, [open]);
  return (
    <>
      <nav ref={box} class={`folders ${open ? "open" : ""}`} aria-label={t("folders")}>
        <Folders />
      </nav>
      {open && <div class="shade" onClick={() => (drawer.value = false)} />}
    </>
  );
}

function NothingOpen() {
  return (
    <div class="nothing">
      <Icon name="mail-open" />
      <p>{t("nothing_open")}</p>
      <p class="soft only-wide">{t("keys_hint")}</p>
    </div>
  );
}

function toList(e: MouseEvent): void {
  e.preventDefault();
  document.querySelector<HTMLElement>("#list .row[tabindex='0']")?.focus();
}

/** SessionOver says that somebody has to sign in again; what was written stays on the screen. */
function SessionOver() {
  return (
    <div class="banner warn" role="alert">
      <span>{sessionOver.value === true ? t("session_over") : sessionOver.value}</span>
      <Button primary onClick={() => location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`)}>{t("sign_in_again")}</Button>
    </div>
  );
}

/** showAround shows somebody around who never was; a browser that knows so does not ask again. */
async function showAround(): Promise<void> {
  const key = `toured.${first.account.id}`;
  if (stored(key) || route.peek().page !== "mail") return;
  const seen = (await api<{ seen: boolean }>("GET", "/api/tour")).seen;
  if (seen || (await (await load<typeof import("./tour/index")>("tour")).start())) store(key, "yes");
}

const later = (work: () => void) => ("requestIdleCallback" in globalThis ? requestIdleCallback(work, { timeout: 1500 }) : setTimeout(work, 1000));

/** start shows the webmail in place of what the page shows. */
async function start(): Promise<void> {
  await loadTexts();
  render(<App />, document.getElementById("app") ?? takeOver());
  hearWorker();
  // What is not needed for the first screen comes once that is there.
  later(() => {
    begin();
    void startWorker();
    load<typeof import("./offline/index")>("offline").then((part) => part.start()).catch(() => {}); // without it, mail is there while the line is
    showAround().catch(() => {}); // next time, then
  });
}

/** become shows the webmail in the page for signing in, which has written into itself what the server answered. */
export function become(): Promise<void> {
  tell(written());
  return start();
}

if (first) await start();
