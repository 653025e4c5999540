// The settings: a page for each thing that somebody may want to change, named by what it is for.

import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { first } from "../core/first";
import { go, narrow, route } from "../core/route";
import { t } from "../core/text";
import { IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import { Account } from "./account";
import { Away } from "./away";
import { Check } from "./check";
import { DevicesPage } from "./devices";
import { Notifications } from "./notifications";
import { Rules } from "./rules";
import { Security } from "./security";
import { Sharing } from "./sharing";
import { StoragePage } from "./storage";

interface Section {
  id: string;
  icon: string;
  page: ComponentType;
}

/** sections are all pages, in the order in which they are listed. */
const sections: Section[] = [
  { id: "account", icon: "user", page: Account },
  { id: "rules", icon: "filter", page: Rules },
  { id: "away", icon: "palmtree", page: Away },
  { id: "notifications", icon: "bell", page: Notifications },
  { id: "security", icon: "shield-check", page: Security },
  { id: "devices", icon: "smartphone", page: DevicesPage },
  { id: "sharing", icon: "users", page: Sharing },
  { id: "storage", icon: "hard-drive", page: StoragePage },
  { id: "check", icon: "stethoscope", page: Check },
];

export function Settings() {
  const wanted = route.value.section;
  const one = useNarrow();
  const section = sections.find((s) => s.id === wanted);
  const Page = (section ?? sections[0]!).page;
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    document.title = `${t(section ? `settings_${section.id}` : "settings")} – ${first.account.address}`;
    main.current?.scrollTo(0, 0);
    if (section) main.current?.focus({ preventScroll: true });
  }, [section]);
  // Where one thing is shown at a time, the list of pages is what the page is about.
  const List = one && !section ? "main" : "div";
  return (
    <div class={`settings ${section ? "page" : "index"}`}>
      <List class="settings-list"><nav aria-label={t("settings")}>
        <a class="settings-back" href="/mail/inbox"><Icon name="chevron-left" /> {t("back_to_mail")}</a>
        <h1>{t("settings")}</h1>
        <ul>
          {sections.map((s) => (
            <li key={s.id}>
              <a href={`/settings/${s.id}`} aria-current={s === (section ?? (one ? undefined : sections[0])) ? "page" : undefined}>
                <Icon name={s.icon} />
                <span>{t(`settings_${s.id}`)}</span>
              </a>
            </li>
          ))}
        </ul>
        <p class="settings-who soft">{first.account.address}</p>
        <a href="/sign-out"><Icon name="log-out" /> <span>{t("sign_out")}</span></a>
      </nav></List>
      {(section || !one) && <main class="settings-main" ref={main} tabIndex={-1}>
        <div class="settings-page">
          <IconButton icon="chevron-left" label={t("back")} class="only-narrow" onClick={() => go({ section: "" })} />
          <Page />
        </div>
      </main>}
    </div>
  );
}

/** useNarrow tells whether the screen shows one thing at a time, and hears when that changes. */
function useNarrow(): boolean {
  const [is, setIs] = useState(narrow);
  useEffect(() => {
    const look = () => setIs(narrow);
    addEventListener("resize", look);
    return () => removeEventListener("resize", look);
  }, []);
  return is;
}
