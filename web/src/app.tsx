// The shell of the webmail: folders, a list, a conversation; on narrow screens one or two of them at a time.

import { render } from "preact";
import { useEffect } from "preact/hooks";
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
