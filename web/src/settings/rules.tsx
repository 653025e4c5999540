// Rules, as sentences: "If the sender contains X, move to Y". Before they are saved they can be tried on what has come
// already. The shapes are those of internal/rules and internal/web/account.

import { useRef, useState } from "preact/hooks";
import { api } from "../core/jmap";
import { mailboxes } from "../core/mail";
import { route } from "../core/route";
import { size, t } from "../core/text";
import { Button, IconButton } from "../ui/button";
import { confirm } from "../ui/dialog";
import { nameOf } from "../mail/names";
import { fresh } from "./confirm";
import { at, attempt, Load, Part, Switch, useLoaded, useUnsaved } from "./parts";

interface Condition {
  field: string;
  op?: string;
  values?: string[];
  size?: number;
}

interface Rule {
  name: string;
  off?: boolean;
  any?: boolean;
  if: Condition[];
  move?: string;
  copy?: boolean;
  star?: boolean;
  read?: boolean;
  label?: string;
  forward?: string;
  delete?: boolean;
  stop?: boolean;
}

export interface Settings {
  rules: Rule[];
  vacation?: { off?: boolean; subject?: string; text: string; html?: string; usual?: boolean; from?: string; until?: string; days?: number };
  forward?: { to: string[]; keep?: boolean };
  then?: string;
}

export interface RulesTold {
  settings: Settings;
  active: string;
  byHand?: boolean;
  scripts: { name: string; active?: boolean; size: number; changed: string }[];
}

interface Tried {
  ran: boolean;
  changed: number;
  messages: { id: string; from: string; subject: string; received: string; changed: boolean; steps: { text: string; to?: string }[]; folders: string[] }[];
}

export const getRules = (): Promise<RulesTold> => api<RulesTold>("GET", "/api/rules");

/** putRules saves all simple rules; it asks who it is where a new address would get mail. */
export const putRules = (settings: Settings, replace = false): Promise<RulesTold> => fresh(() => api<RulesTold>("PUT", "/api/rules", { settings, replace }));

export function Rules() {
  const loaded = useLoaded(getRules);
  return (
    <>
      <h1>{t("settings_rules")}</h1>
      <p class="soft">{t("rules_text")}</p>
      <Load of={loaded}>{(r) => <All told={r} saved={loaded.set} />}</Load>
    </>
  );
}

function All({ told, saved }: { told: RulesTold; saved: (r: RulesTold) => void }) {
  // Who came from a message begins with a rule for its sender.
  const [from] = useState(() => new URLSearchParams(location.search).get("from") ?? route.peek().search);
  const [rules, setRules] = useState<Rule[]>(() => (from ? [...told.settings.rules, { name: "", if: [{ field: "from", values: [from] }] }] : told.settings.rules));
  const [open, setOpen] = useState(from ? rules.length - 1 : -1);
  const [tried, setTried] = useState<Tried>();
  const [begun] = useState(rules);
  const changed = JSON.stringify(rules) !== JSON.stringify(told.settings.rules);
  useUnsaved(changed && JSON.stringify(rules) !== JSON.stringify(begun)); // the rule that was begun for them is nothing of theirs yet
  const ready = rules.every(complete);
  const list = useRef<HTMLOListElement>(null);
  const settings = { ...told.settings, rules: rules.map((r) => ({ ...r, name: r.name.trim() || sentence(r) })) };

  const put = (at: number, rule: Rule) => {
    setRules(rules.map((r, i) => (i === at ? rule : r)));
    setTried(undefined);
  };
  const move = (at: number, by: number) => {
    const all = [...rules];
    const [rule] = all.splice(at, 1);
    all.splice(at + by, 0, rule!);
    setRules(all);
    setOpen(-1);
  };
  const remove = async (at: number) => {
    if (!(await confirm(t("rule_remove"), sentence(rules[at]!), t("remove"), true))) return;
    setRules(rules.filter((_, i) => i !== at));
    setOpen(-1);
  };
  const save = () => attempt(async () => {
    if (told.byHand && !(await confirm(t("rules_by_hand"), t("rules_by_hand_text"), t("rules_replace")))) return;
    const now = await putRules(settings, told.byHand);
    saved(now);
    setRules(now.settings.rules);
    setOpen(-1);
  }, t("is_saved"));
  const tryOut = () => attempt(async () => setTried(await api<Tried>("POST", "/api/rules/try", { settings })));

  return (
    <>
      {told.byHand && <p class="check-verdict warn">{t("rules_by_hand_note", { name: told.active })}</p>}
      <Part title={t("rules_yours")} text={rules.length === 0 ? t("rules_none") : undefined}>
        <ol class="rules" ref={list}>
          {rules.map((r, i) => (
            <li key={i} class={r.off ? "off" : ""}>
              <div class="rule-line">
                <button class="rule-sentence" aria-expanded={open === i} onClick={() => setOpen(open === i ? -1 : i)}>{sentence(r)}</button>
                {rules.length > 1 && (
                  <>
                    <IconButton icon="chevron-up" label={t("rule_up")} disabled={i === 0} onClick={() => move(i, -1)} />
                    <IconButton icon="chevron-down" label={t("rule_down")} disabled={i === rules.length - 1} onClick={() => move(i, 1)} />
                  </>
                )}
                <Switch label={t("rule_on")} on={!r.off} change={(on) => put(i, { ...r, off: !on || undefined })} />
                <IconButton icon="trash-2" label={t("remove")} onClick={() => void remove(i)} />
              </div>
              {open === i && <Edit rule={r} change={(rule) => put(i, rule)} />}
            </li>
          ))}
        </ol>
        <div class="part-buttons">
          <Button icon="plus" onClick={() => {
            setRules([...rules, { name: "", if: [{ field: "from", values: [""] }] }]);
            setOpen(rules.length);
            requestAnimationFrame(() => list.current?.querySelector<HTMLElement>(".rule-edit .rule-condition input")?.focus());
          }}>{t("rule_add")}</Button>
          {rules.length > 0 && <Button disabled={!ready} onClick={() => void tryOut()}>{t("rules_try")}</Button>}
          {(changed || rules.length > 0) && <Button primary disabled={!changed || !ready} onClick={() => void save()}>{t("save")}</Button>}
        </div>
        {!ready && <p class="soft after" role="status">{t("rule_incomplete")}</p>}
      </Part>
      {tried && <TriedOut tried={tried} />}
      {told.scripts.length > 0 && <Scripts told={told} saved={saved} />}
    </>
  );
}

const fields = ["from", "to", "subject", "list", "body", "size"];
const textOps = ["contains", "not", "is", "matches"];

/** complete tells whether a rule says what it looks for and what it does then. */
const complete = (r: Rule): boolean =>
  r.if.every((c) => c.field === "size" || (c.values ?? []).some((v) => v.trim())) && !!(r.move || r.star || r.read || r.label || r.forward || r.delete || r.stop);

/** sentence says a rule in words. */
function sentence(r: Rule): string {
  const ifs = r.if.map((c) =>
    c.field === "size"
      ? t(c.op === "under" ? "rule_if_under" : "rule_if_over", { size: size(c.size ?? 0) })
      : t(`rule_if_${c.op || "contains"}`, { field: fields.includes(c.field) ? t(`rule_field_${c.field}`) : c.field, value: (c.values ?? []).join(` ${t("or")} `) || "…" }));
  const thens = [
    r.move && t(r.copy ? "rule_then_copy" : "rule_then_move", { folder: nameAt(r.move) }),
    r.star && t("rule_then_star"),
    r.read && t("rule_then_read"),
    r.label && t("rule_then_label", { label: r.label }),
    r.forward && t("rule_then_forward", { to: r.forward }),
    r.delete && t("rule_then_delete"),
    r.stop && t("rule_then_stop"),
  ].filter((x) => !!x) as string[];
  return t(ifs.length ? "rule_sentence" : "rule_sentence_always", { if: ifs.join(` ${t(r.any ? "or" : "and")} `), then: thens.join(", ") || t("rule_then_what") });
}

function Edit({ rule: r, change }: { rule: Rule; change: (r: Rule) => void }) {
  const set = (at: number, c: Condition) => change({ ...r, if: r.if.map((x, i) => (i === at ? c : x)) });
  const folders = mailboxes.value.filter((m) => m.role !== "outbox" && m.role !== "drafts");
  return (
    <div class="rule-edit">
      <fieldset>
        <legend>{t("rule_if")}</legend>
        {r.if.length > 1 && (
          <label class="field">
            <span>{t("rule_which")}</span>
            <select value={r.any ? "any" : "all"} onChange={(e) => change({ ...r, any: e.currentTarget.value === "any" || undefined })}>
              <option value="all">{t("rule_all")}</option>
              <option value="any">{t("rule_any")}</option>
            </select>
          </label>
        )}
        {r.if.map((c, i) => (
          <div key={i} class="rule-condition">
            <select aria-label={t("rule_field")} value={c.field} onChange={(e) => set(i, e.currentTarget.value === "size" ? { field: "size", op: "over", size: 5e6 } : { field: e.currentTarget.value, values: c.values ?? [""] })}>
              {[...fields, ...(fields.includes(c.field) ? [] : [c.field])].map((f) => <option key={f} value={f}>{fields.includes(f) ? t(`rule_field_${f}`) : f}</option>)}
            </select>
            {c.field === "size" ? (
              <>
                <select aria-label={t("rule_how")} value={c.op} onChange={(e) => set(i, { ...c, op: e.currentTarget.value })}>
                  <option value="over">{t("rule_op_over")}</option>
                  <option value="under">{t("rule_op_under")}</option>
                </select>
                <input type="number" min="0" step="0.1" aria-label={t("rule_megabytes")} value={(c.size ?? 0) / 1e6} onInput={(e) => set(i, { ...c, size: Math.round(Number(e.currentTarget.value) * 1e6) })} /> MB
              </>
            ) : (
              <>
                <select aria-label={t("rule_how")} value={c.op || "contains"} onChange={(e) => set(i, { ...c, op: e.currentTarget.value })}>
                  {textOps.map((o) => <option key={o} value={o}>{t(`rule_op_${o}`)}</option>)}
                </select>
                <input aria-label={t("rule_value")} value={(c.values ?? []).join(", ")} onInput={(e) => set(i, { ...c, values: e.currentTarget.value.split(/,\s*/) })} />
              </>
            )}
            <IconButton icon="x" label={t("remove")} onClick={() => change({ ...r, if: r.if.filter((_, n) => n !== i) })} />
          </div>
        ))}
        <button type="button" class="link" onClick={() => change({ ...r, if: [...r.if, { field: "subject", values: [""] }] })}>{t("rule_more")}</button>
      </fieldset>
      <fieldset>
        <legend>{t("rule_then")}</legend>
        <label class="field">
          <span>{t("rule_folder")}</span>
          <select value={r.move ?? ""} onChange={(e) => change({ ...r, move: e.currentTarget.value || undefined })}>
            <option value="">{t("rule_stay")}</option>
            {folders.map((m) => <option key={m.id} value={pathOf(m.id)}>{nameOf(m)}</option>)}
            {r.move && !folders.some((m) => pathOf(m.id) === r.move) && <option value={r.move}>{r.move}</option>}
          </select>
        </label>
        {r.move && <label class="check"><input type="checkbox" checked={!!r.copy} onChange={(e) => change({ ...r, copy: e.currentTarget.checked || undefined })} /> {t("rule_copy")}</label>}
        <label class="check"><input type="checkbox" checked={!!r.star} onChange={(e) => change({ ...r, star: e.currentTarget.checked || undefined })} /> {t("rule_star")}</label>
        <label class="check"><input type="checkbox" checked={!!r.read} onChange={(e) => change({ ...r, read: e.currentTarget.checked || undefined })} /> {t("rule_read")}</label>
        <label class="check"><input type="checkbox" checked={!!r.delete} onChange={(e) => change({ ...r, delete: e.currentTarget.checked || undefined })} /> {t("rule_delete")}</label>
        <label class="check"><input type="checkbox" checked={!!r.stop} onChange={(e) => change({ ...r, stop: e.currentTarget.checked || undefined })} /> {t("rule_stop")}</label>
        <label class="field"><span>{t("rule_forward")}</span><input type="email" value={r.forward ?? ""} onInput={(e) => change({ ...r, forward: e.currentTarget.value || undefined })} /></label>
      </fieldset>
    </div>
  );
}

/** nameAt is what a mailbox is called, by its whole name. */
const nameAt = (path: string): string => {
  const m = mailboxes.value.find((x) => pathOf(x.id) === path);
  return m ? nameOf(m) : path;
};

/** pathOf is the whole name of a mailbox, as rules have it. */
function pathOf(id: string): string {
  const m = mailboxes.value.find((x) => x.id === id);
  if (!m) return "";
  return m.parentId ? `${pathOf(m.parentId)}/${m.name}` : m.name;
}

function TriedOut({ tried }: { tried: Tried }) {
  return (
    <Part title={t("tried")} text={t("tried_text", { n: tried.messages.length, changed: tried.changed })}>
      <ul class="tried">
        {tried.messages.filter((m) => m.changed).map((m) => (
          <li key={m.id}>
            <strong>{m.subject || t("no_subject")}</strong>
            <span class="soft">{m.from} · {at(m.received)}</span>
            <ul>{m.steps.map((s, i) => <li key={i}>{s.to ? s.text.replace(s.to, nameAt(s.to)) : s.text}</li>)}</ul>
          </li>
        ))}
      </ul>
    </Part>
  );
}

function Scripts({ told, saved }: { told: RulesTold; saved: (r: RulesTold) => void }) {
  const [shown, setShown] = useState<{ name: string; text: string }>();
  const show = (name: string) => attempt(async () => setShown(await api("GET", `/api/rules/scripts/${encodeURIComponent(name)}`)));
  const list = (
    <>
      {told.scripts.map((s) => (
        <div key={s.name} class="setting">
          <div class="setting-text"><strong>{s.name}</strong><span class="soft">{size(s.size)} · {at(s.changed)}</span></div>
          <Switch label={s.name} on={!!s.active} change={(on) => void attempt(async () => saved(await fresh(() => api<RulesTold>("POST", "/api/rules/active", { name: on ? s.name : "" }))))} />
          <Button onClick={() => void show(s.name)}>{t("show")}</Button>
        </div>
      ))}
      {shown && <pre class="script" tabIndex={0} aria-label={shown.name}>{shown.text}</pre>}
    </>
  );
  // Whoever clicks rules together need not know of scripts.
  if (told.byHand || told.scripts.length > 1) return <Part title={t("scripts")} text={t("scripts_text")}>{list}</Part>;
  return (
    <details class="identity technical">
      <summary>{t("scripts")}</summary>
      <p class="soft">{t("scripts_text")}</p>
      {list}
    </details>
  );
}
