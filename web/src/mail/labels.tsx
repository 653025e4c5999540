// Labels are made, called otherwise, coloured and removed here; a part of what is loaded when it is needed.

import { change, offerUndo, say, type Patch } from "../core/actions";
import { api, call } from "../core/jmap";
import { colours, labelCalled, labelName, labels, labelStyle, type Label } from "../core/labels";
import { fold, t } from "../core/text";
import { Button, IconButton } from "../ui/button";
import { confirm, Dialog, show } from "../ui/dialog";
import { openMenu } from "../ui/menu";
import { toast } from "../ui/toast";

/** save has the labels kept at the server, and shown as they are there. */
async function save(list: Label[]): Promise<void> {
  labels.value = (await api<{ labels: Label[] }>("PUT", "/api/labels", { labels: list })).labels;
}

/** keywordOf is a keyword for a name, which no label has yet: those of IMAP are ASCII. */
function keywordOf(name: string): string {
  const plain = fold(name).replace(/æ/g, "ae").replace(/[øö]/g, "o").replace(/ß/g, "ss").replace(/\s+/g, "_").replace(/[^a-z0-9_-]/g, "").slice(0, 40) || "label";
  const has = (k: string) => labels.peek().some((l) => l.keyword === k) || /^((non|not)?junk|forwarded)$/.test(k);
  for (let n = 1; ; n++) if (!has(n > 1 ? `${plain}_${n}` : plain)) return n > 1 ? `${plain}_${n}` : plain;
}

/** newLabel makes a label and answers its keyword; undefined, and a word about it, if it cannot be made. */
export async function newLabel(name: string): Promise<string | undefined> {
  const keyword = keywordOf(name.trim());
  const used = labels.peek().map((l) => l.colour);
  const all = Object.keys(colours);
  const colour = all.find((c) => !used.includes(c)) ?? all[used.length % all.length]!;
  try {
    await save([...labels.peek(), { keyword, name: name.trim(), colour }]);
    return keyword;
  } catch (error) {
    return say(error);
  }
}

async function alter(keyword: string, what: Partial<Label>): Promise<void> {
  await save(labels.peek().map((l) => (l.keyword === keyword ? { ...l, ...what } : l))).catch(say);
}

/** idsWith are the ids of all emails that have a keyword. */
async function idsWith(keyword: string): Promise<string[]> {
  const ids: string[] = [];
  for (;;) {
    const found = await call("Email/query", { filter: { hasKeyword: keyword }, sort: [{ property: "receivedAt" }], position: ids.length, limit: 2000 });
    ids.push(...found.ids);
    if (found.ids.length < 2000) return ids;
  }
}

/** remove takes a label from the list and from all mail, with a way back. */
async function remove(l: Label): Promise<void> {
  const keyword = l.keyword;
  const before = labels.peek();
  try {
    const ids = await idsWith(keyword);
    const name = labelName(keyword);
    if (!(await confirm(t("label_remove_title", { name }), t("label_remove_text", { n: ids.length }), t("label_remove"), true))) return;
    const all = (value: true | null) => change(new Map(ids.map((id): [string, Patch] => [id, { [`keywords/${keyword}`]: value }])));
    await all(null);
    await save(before.filter((x) => x.keyword !== keyword));
    offerUndo(t("label_removed", { name }), () => void save(before).then(() => all(true)).catch(say));
  } catch (error) {
    say(error);
  }
}

/** manageLabels shows all labels to be changed. */
export function manageLabels(): void {
  void show<void>((close) => <Labels close={close} />);
}

function Labels({ close }: { close: () => void }) {
  const create = (e: SubmitEvent) => {
    e.preventDefault();
    const field = (e.currentTarget as HTMLFormElement).elements.namedItem("name") as HTMLInputElement;
    const name = field.value.trim();
    if (name && labelCalled(name)) return void toast(t("label_there"), { kind: "error" });
    if (name) void newLabel(name).then((k) => k && (field.value = ""));
  };
  return (
    <Dialog title={t("labels")} onClose={close}>
      <p class="soft">{t("labels_text")}</p>
      {labels.value.length === 0 && <p>{t("labels_none")}</p>}
      <ul class="label-list">{labels.value.map((l) => <One key={l.keyword} l={l} />)}</ul>
      <form class="label-new" onSubmit={create}>
        <input name="name" aria-label={t("label_new")} placeholder={t("label_new")} maxLength={60} autocomplete="off" />
        <Button type="submit" icon="plus">{t("create")}</Button>
      </form>
    </Dialog>
  );
}

function One({ l }: { l: Label }) {
  const name = labelName(l.keyword);
  const rename = (field: HTMLInputElement) => {
    const to = field.value.trim();
    if (to === name) return;
    if (to && (labelCalled(to) ?? l.keyword) === l.keyword) return void alter(l.keyword, { name: to });
    if (to) toast(t("label_there"), { kind: "error" });
    field.value = name;
  };
  const colour = (at: Element) => openMenu(at, ["", ...Object.keys(colours)].map((c) => ({
    label: t(`colour_${c || "none"}`), checked: c === l.colour, radio: true, swatch: colours[c] ?? "none", run: () => alter(l.keyword, { colour: c }),
  })), t("label_colour", { name }));
  return (
    <li>
      <button type="button" class="icon" aria-haspopup="menu" aria-label={t("label_colour", { name })} title={t("label_colour", { name })} onClick={(e) => colour(e.currentTarget)}>
        <span class="dot-of" style={labelStyle(l.keyword)} />
      </button>
      <input
        value={name} aria-label={t("label_name")} maxLength={60} autocomplete="off" onBlur={(e) => rename(e.currentTarget)}
        onKeyDown={(e) => {
          if (e.key === "Enter") e.currentTarget.blur();
        }}
      />
      <IconButton icon="trash-2" label={t("label_remove_called", { name })} onClick={() => void remove(l)} />
    </li>
  );
}
