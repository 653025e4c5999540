// The shell of the webmail: folders, a list, a conversation; on narrow screens one or two of them at a time.

import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { follow, route } from "./core/route";
import { online, sessionOver } from "./core/jmap";
import { load } from "./core/load";
import { loadTexts, t } from "./core/text";
import { startWorker } from "./core/worker";
import { sync } from "./core/mail";
import { Toasts } from "./ui/toast";
import { Button } from "./ui/button";
import { Folders } from "./mail/folders";
import { MailList } from "./mail/list";
import { TopBar } from "./mail/topbar";
import { drawer } from "./mail/state";
import { begin } from "./compose/open";
import { Conversation } from "./read/conversation";

function App() {
  useEffect(sync, []);
  const r = route.value;
  if (r.page === "settings") return <SettingsPage />;
  return (
    <div class={`app ${r.thread ? "reading" : "listing"}`} onClick={follow}>
      <a class="skip" href="#list">{t("skip_to_list")}</a>
      <TopBar />
      {sessionOver.value && <SessionOver />}
      {!online.value && <p class="line-down" role="status">{t("line_down")}</p>}
      <nav class={`folders ${drawer.value ? "open" : ""}`} aria-label={t("folders")}>
        <Folders />
      </nav>
      {drawer.value && <div class="shade" onClick={() => (drawer.value = false)} />}
      <section class="list-pane" aria-label={t("messages")}>
        <MailList />
      </section>
      <main class="reading-pane" aria-label={t("conversation")}>
        {r.thread ? <Conversation key={r.thread} id={r.thread} /> : <p class="nothing">{t("nothing_open")}</p>}
      </main>
      <Toasts />
    </div>
  );
}

/** SettingsPage are the settings, which are loaded when they are first opened. */
function SettingsPage() {
  const [part, setPart] = useState<typeof import("./settings/index")>();
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    load<typeof import("./settings/index")>("settings").then((p) => setPart(() => p), () => setFailed(true));
  }, []);
  return (
    <div class="app in-settings" onClick={follow}>
      {sessionOver.value && <SessionOver />}
      {part ? <part.Settings /> : failed ? (
        <div class="nothing">
          <p>{t("no_line")}</p>
          <Button onClick={() => location.reload()}>{t("try_again")}</Button>
        </div>
      ) : <p class="nothing">{t("loading")}</p>}
      <Toasts />
    </div>
  );
}

/** SessionOver says that somebody has to sign in again; what was written stays on the screen. */
function SessionOver() {
  return (
    <div class="banner warn" role="alert">
      <span>{t("session_over")}</span>
      <Button primary onClick={() => location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`)}>{t("sign_in_again")}</Button>
    </div>
  );
}

await loadTexts();
const root = document.getElementById("app")!;
root.replaceChildren();
render(<App />, root);

// What is not needed for the first screen comes once that is there.
const later: (work: () => void) => void = globalThis.requestIdleCallback ?? ((work) => setTimeout(work, 1000));
later(() => {
  begin();
  void startWorker();
  load<typeof import("./offline/index")>("offline").then((part) => part.start()).catch(() => {}); // without it, mail is there while the line is
});
