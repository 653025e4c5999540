import { useRef } from "preact/hooks";
import { first } from "../core/first";
import { t } from "../core/text";
import { IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import { openMenu } from "../ui/menu";
import { help } from "./keys";
import { later } from "./later";
import { SearchBox } from "./searchbox";
import { drawer } from "./state";

export function TopBar() {
  const who = useRef<HTMLButtonElement>(null);
  const account = () =>
    openMenu(who.current!, [
      { label: first.account.address, icon: "user", disabled: true, run: () => {} },
      { label: t("settings"), icon: "settings", line: true, run: () => document.querySelector<HTMLAnchorElement>("a.to-settings")?.click() },
      { label: t("keys"), icon: "keyboard", keys: "?", run: help },
      { label: t("leave"), icon: "log-out", line: true, run: () => later((part) => part.leave()) },
    ], t("account"));
  return (
    <header class="topbar">
      <IconButton icon="menu" label={t("folders")} class="only-narrow" onClick={() => (drawer.value = !drawer.value)} />
      <a class="brand" href="/mail/inbox"><span class="brand-mark"><Icon name="mail" /></span>Postiljon</a>
      <SearchBox />
      <a class="icon-link to-settings" href="/settings/" aria-label={t("settings")} title={t("settings")}><Icon name="settings" /></a>
      <button ref={who} type="button" class="who" aria-haspopup="menu" aria-label={t("account_of", { address: first.account.address })} title={first.account.address} onClick={account}>
        {(first.account.name || first.account.address).slice(0, 1).toUpperCase()}
      </button>
    </header>
  );
}
