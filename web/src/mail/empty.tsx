import { mailbox } from "../core/mail";
import { go, route } from "../core/route";
import { t } from "../core/text";
import { Button } from "../ui/button";
import { Icon } from "../ui/icon";
import { folderIcons, nameOf } from "./names";
import { parseSearch } from "./search";
import { activeFilters, here, searching } from "./state";

/** Empty says why nothing is listed, and where else to look. */
export function Empty() {
  const r = route.value;
  const m = here.value;
  if (searching.value) return <NothingFound />;
  if (activeFilters.value.length > 0) {
    return (
      <div class="nothing">
        <Icon name="filter" />
        <p>{t("none_with_filters", { folder: m ? nameOf(m) : "" })}</p>
        <Button onClick={() => go({ filters: "" })}>{t("without_filters")}</Button>
      </div>
    );
  }
  const role = m?.role ?? "";
  return (
    <div class="nothing">
      <Icon name={folderIcons[role] ?? "folder"} />
      <p>{t(role in folderIcons ? `empty_${role}` : "empty_list")}</p>
      {role === "drafts" && r.mailbox && <p class="soft">{t("empty_drafts_hint")}</p>}
    </div>
  );
}

function NothingFound() {
  const r = route.value;
  const terms = parseSearch(r.search);
  const scoped = terms.some((x) => x.operator === "in");
  return (
    <div class="nothing">
      <Icon name="search" />
      <p>{t("nothing_found")}</p>
      <p class="soft">{t("nothing_found_hint")}</p>
      {r.where === "here" && <Button onClick={() => go({ where: "" })}>{t("search_everywhere")}</Button>}
      {activeFilters.value.length > 0 && <Button onClick={() => go({ filters: "" })}>{t("without_filters")}</Button>}
      {!scoped && r.where !== "here" && mailbox("trash") && (
        <Button onClick={() => go({ search: `${r.search} in:anywhere` })}>{t("also_junk_and_trash")}</Button>
      )}
      {terms.length > 1 && <Button onClick={() => go({ search: terms.slice(0, -1).map((x) => x.raw).join(" ") })}>{t("without_term", { term: terms.at(-1)!.raw })}</Button>}
    </div>
  );
}
