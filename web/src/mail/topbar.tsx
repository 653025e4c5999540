import { useRef } from "preact/hooks";
import { first } from "../core/first";
import { go, route } from "../core/route";
import { t } from "../core/text";
import { IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import { drawer } from "./state";

export function TopBar() {
  const field = useRef<HTMLInputElement>(null);
  const search = (e: Event) => {
    e.preventDefault();
    go({ page: "mail", search: field.current!.value.trim(), thread: "" });
  };
  return (
    <header class="topbar">
      <IconButton icon="menu" label={t("folders")} class="only-narrow" onClick={() => (drawer.value = !drawer.value)} />
      <a class="brand" href="/mail/inbox">Postiljon</a>
      <form role="search" onSubmit={search}>
        <Icon name="search" />
        <input ref={field} id="search" type="search" placeholder={t("search")} aria-label={t("search")} value={route.value.search} autocomplete="off" />
      </form>
      <span class="who" title={first.account.address}>{first.account.name || first.account.address}</span>
      <a class="icon-link" href="/settings/" aria-label={t("settings")} title={t("settings")}><Icon name="settings" /></a>
    </header>
  );
}
