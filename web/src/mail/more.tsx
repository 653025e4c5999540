// What is seldom wanted of a message, and what looks behind it; a part of what is loaded when it is needed.

import { useEffect, useState } from "preact/hooks";
import { mark, say } from "../core/actions";
import { first } from "../core/first";
import { accountOf, api } from "../core/jmap";
import { may, type Email } from "../core/mail";
import { go } from "../core/route";
import { longDate, t } from "../core/text";
import { compose } from "../compose/open";
import { theme } from "../read/ready";
import { whereIs } from "../outbox/lazy";
import { Dialog, show } from "../ui/dialog";
import { openMenu, type MenuItem } from "../ui/menu";

/** messageMenu is the menu of one message; the button that opens it closes it, too. */
export function messageMenu(e: Email, at: Element): void {
  if (at.ariaExpanded === "true") return;
  at.ariaExpanded = "true";
  const unread = !e.keywords.$seen;
  const draft = !!e.keywords.$draft;
  const items: (MenuItem | false)[] = [
    may(e, "maySetSeen") && { label: t(unread ? "mark_read" : "mark_unread"), icon: unread ? "mail-open" : "mail", run: () => mark([e.id], "$seen", unread) },
    !draft && { label: t("forward_attached"), icon: "paperclip", run: () => compose({ kind: "attach", emailId: e.id }) },
    !draft && { label: t("edit_as_new"), icon: "square-pen", run: () => compose({ kind: "again", emailId: e.id }) },
    { label: t("print"), icon: "printer", run: () => void printMessage(e) },
    { label: t("rule_from"), icon: "filter", run: () => go({ page: "settings", section: "rules", search: e.from?.[0]?.email ?? "" }) },
    accountOf(e.id) === first.account.id && { label: t("where_title"), icon: "map-pin", run: () => whereIs(e.id), line: true },
    { label: t("headers"), icon: "route", run: () => void show<void>((close) => <Headers e={e} close={close} />) },
    { label: t("raw"), icon: "code", run: () => void open(`/m/${e.id}/raw?view=1`, "_blank", "noopener") },
    { label: t("download_message"), icon: "download", run: () => location.assign(`/m/${e.id}/raw`) },
  ];
  openMenu(at, items.filter((i) => i !== false), t("more"), () => (at.ariaExpanded = "false"));
}

/** printMessage prints the page with nothing but one message on it. */
async function printMessage(e: Email): Promise<void> {
  const message = document.querySelector(`iframe[src^="/m/${e.id}/body"]`)?.closest(".message");
  message?.classList.add("printed");
  document.documentElement.classList.toggle("print-one", !!message);
  await printPage();
  message?.classList.remove("printed");
  document.documentElement.classList.remove("print-one");
}

/** printPage prints what is open in colours for paper: frames without scripts cannot print themselves. */
export async function printPage(): Promise<void> {
  const dark = [...document.querySelectorAll<HTMLIFrameElement>(`.message${document.querySelector(".printed") ? ".printed" : ""} iframe[src*="theme=dark"]`)];
  const load = (frame: HTMLIFrameElement, theme: string) => new Promise((done) => {
    frame.addEventListener("load", done, { once: true });
    frame.src = frame.getAttribute("src")!.replace(/theme=\w+/, theme);
  });
  await Promise.all(dark.map((frame) => load(frame, "theme=light")));
  print();
  await Promise.all(dark.map((frame) => load(frame, theme())));
}

interface HeadersTold {
  hops: { from: string; by: string; at: string; delay: number }[];
  fields: { name: string; value: string }[];
}

function Headers({ e, close }: { e: Email; close: () => void }) {
  const [told, setTold] = useState<HeadersTold>();
  useEffect(() => {
    api<HeadersTold>("GET", `/m/${e.id}/headers`).then(setTold, (error) => {
      say(error);
      close();
    });
  }, []);
  return (
    <Dialog title={t("headers")} onClose={close} wide>
      {!told ? <p>{t("loading")}</p> : (
        <>
          {told.hops?.length > 0 && (
            <>
              <h3>{t("way")}</h3>
              <ol class="hops">
                {told.hops.map((h, i) => (
                  <li key={i}>
                    <strong>{h.by || h.from}</strong>
                    <span class="soft">{[h.at && longDate(new Date(h.at)), h.delay > 0 && t("after_seconds", { n: h.delay })].filter(Boolean).join(", ")}</span>
                  </li>
                ))}
              </ol>
            </>
          )}
          <h3>{t("all_fields")}</h3>
          <dl class="fields">
            {told.fields.map((f, i) => <div key={i}><dt>{f.name}</dt><dd>{f.value}</dd></div>)}
          </dl>
        </>
      )}
    </Dialog>
  );
}
