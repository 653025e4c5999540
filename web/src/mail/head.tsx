// What stands above the list: its name, filters and order; while rows are chosen, what can be done with them.

import { useLayoutEffect, useRef } from "preact/hooks";
import { go, onBack, route } from "../core/route";
import { number, t } from "../core/text";
import { IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import { archive, destroy, empty, junk, read, remove, star, toInbox } from "./act";
import { later } from "./later";
import { labelMenu, moveMenu } from "./menus";
import { nameOf, sharerName } from "./names";
import { Terms } from "./searchbox";
import { activeFilters, can, density, filters, here, list, nothing, orders, searching, selectedCount, selection } from "./state";

export function ListHead() {
  return (
    <div class="list-top">
      {selectedCount.value > 0 ? <ChosenBar /> : <TitleBar />}
      <Chips />
    </div>
  );
}

function TitleBar() {
  const m = here.value;
  const total = list.value?.total.value;
  const empties = !searching.value && (m?.role === "trash" || m?.role === "junk") && !!total;
  return (
    <div class="list-head">
      <ChooseAll />
      <h1>{searching.value ? t("found") : m ? nameOf(m) : ""}</h1>{m?.sharer && <span class="soft list-total">{sharerName(m.sharer)}</span>}
      {total !== undefined && <span class="soft list-total" role={searching.value ? "status" : undefined}>{list.value!.open.value ? t("more_than", { n: total - 1 }) : t(searching.value ? "messages_n" : "conversations", { n: total })}</span>}
      <span class="list-tools">
        {empties && <button type="button" class="text-button" onClick={() => void empty(m!.id)}>{t("empty_now")}</button>}
        <IconButton icon="sliders-horizontal" label={t("order_and_look")} menu onClick={look} />
      </span>
    </div>
  );
}

/** look asks for the order of the list and what it looks like. */
function look(e: MouseEvent): void {
  const at = e.currentTarget as Element;
  void later((part) => part.lookMenu(at, Object.keys(orders), density));
}

/** ChooseAll chooses every row of the list, also those that were never loaded. */
function ChooseAll() {
  const box = useRef<HTMLInputElement>(null);
  const s = selection.value;
  const n = selectedCount.value;
  useLayoutEffect(() => {
    box.current!.indeterminate = n > 0 && !(s.all && s.ids.size === 0);
  });
  return (
    <input
      ref={box} type="checkbox" class="choose-all" aria-label={t("choose_all")} title={t("choose_all")} checked={s.all}
      onClick={() => (selection.value = n > 0 ? nothing : { all: true, ids: new Set() })}
    />
  );
}

function ChosenBar() {
  const n = selectedCount.value;
  const role = searching.value ? "" : (here.value?.role ?? "");
  // On a narrow screen going back ends choosing.
  useLayoutEffect(() => onBack(() => (selection.value = nothing)), []);
  return (
    <div class="list-head chosen" role="toolbar" aria-label={t("chosen_actions")}>
      <ChooseAll />
      <h1 class="hidden">{searching.value ? t("found") : here.value ? nameOf(here.value) : ""}</h1>
      <span class="chosen-count" aria-live="polite">{selection.value.all && selection.value.ids.size === 0 ? (list.value?.open.value ? t("all_found_chosen") : t("all_chosen", { n })) : t("chosen", { n })}</span>
      <span class="list-tools">
        {role !== "archive" && role !== "drafts" && can("file") && <IconButton icon="archive" label={t("archive")} keys="e" onClick={() => void archive()} />}
        {(role === "archive" || role === "trash" || role === "junk") && (
          <IconButton icon="inbox" label={t(role === "junk" ? "not_junk" : "to_inbox")} onClick={() => void toInbox()} />
        )}
        {!can("remove") ? null : role === "trash" || role === "junk" || !can("file") ? <IconButton icon="trash-2" label={t("delete_for_ever")} keys="#" onClick={() => void destroy()} /> : <IconButton icon="trash-2" label={t("to_trash")} keys="#" onClick={() => void remove()} />}
        {role !== "junk" && role !== "drafts" && role !== "sent" && can("file") && <IconButton icon="shield-alert" label={t("junk")} keys="!" class="wide-only" onClick={() => void junk()} />}
        {can("read") && <IconButton icon="mail-open" label={t("mark_read")} keys="Shift+I" class="wide-only" onClick={() => void read(true)} />}
        <IconButton icon="folder-input" label={t("move_to")} keys="v" onClick={(e) => moveMenu(e.currentTarget as Element)} />
        <IconButton icon="ellipsis-vertical" label={t("more")} onClick={(e) => moreMenu(e.currentTarget as Element)} />
      </span>
    </div>
  );
}

const moreMenu = (at: Element) => later((part) => part.chosenMenu(at, { can, role: searching.peek() ? "" : (here.peek()?.role ?? ""), read, star, junk, toInbox, destroy, labels: () => labelMenu(at) }));

/** Chips narrow the list. */
function Chips() {
  const on = activeFilters.value;
  const flip = (f: string) => go({ filters: (on.includes(f) ? on.filter((x) => x !== f) : [...on, f]).join(",") }, true);
  const r = route.value;
  return (
    <div class="chips" role="group" aria-label={t("filters")}>
      {searching.value && <Terms />}
      {searching.value && here.value && (
        <button type="button" class="chip" aria-pressed={r.where === "here"} onClick={() => go({ where: r.where ? "" : "here" }, true)}>
          {r.where === "here" && <Icon name="check" />}{t("only_in", { folder: nameOf(here.value) })}
        </button>
      )}
      {Object.keys(filters).map((f) => (
        <button key={f} type="button" class="chip" aria-pressed={on.includes(f)} onClick={() => flip(f)}>
          {on.includes(f) && <Icon name="check" />}{t(`filter_${f}`)}
          {f === "unread" && !searching.value && !!here.value?.unreadThreads && <span class="chip-count">{number(here.value.unreadThreads)}</span>}
        </button>
      ))}
    </div>
  );
}
