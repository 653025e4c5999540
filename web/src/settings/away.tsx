// What happens while somebody is away: an answer to who writes, and mail sent on.

import { useEffect, useState } from "preact/hooks";
import { locale, t } from "../core/text";
import { Button } from "../ui/button";
import { attempt, Load, Part, Row, Switch, useLoaded, useUnsaved } from "./parts";
import { getRules, putRules, type RulesTold, type Settings } from "./rules";

const longDay = (d: Date): string => d.toLocaleDateString(locale, { weekday: "long", day: "numeric", month: "long" });

export function Away() {
  const loaded = useLoaded(getRules);
  return (
    <>
      <h1>{t("settings_away")}</h1>
      <Load of={loaded}>
        {(r) => (
          <>
            <Answer told={r} saved={loaded.set} />
            <Onwards told={r} saved={loaded.set} />
          </>
        )}
      </Load>
    </>
  );
}

interface Props {
  told: RulesTold;
  saved: (r: RulesTold) => void;
}

const save = (told: RulesTold, change: Partial<Settings>, saved: Props["saved"]) =>
  attempt(async () => saved(await putRules({ ...told.settings, ...change }, told.byHand)), t("is_saved"));

function Answer({ told, saved }: Props) {
  const v = told.settings.vacation;
  const [draft, setDraft] = useState(v ?? { text: "", off: true });
  useEffect(() => setDraft(v ?? { text: "", off: true }), [JSON.stringify(v)]); // as the server has it
  const on = !!v && !v.off;
  const changed = JSON.stringify(draft) !== JSON.stringify(v ?? { text: "", off: true });
  useUnsaved(changed);
  const set = (change: Partial<typeof draft>) => setDraft({ ...draft, usual: undefined, ...change });
  return (
    <Part title={t("away_answer")} text={t("away_text")}>
      <Row label={on ? stands(v!) : t("away_off")} text={!on && !draft.text.trim() ? t("away_write_first") : undefined}>
        <Switch label={t("away_answer")} on={on} disabled={!on && !draft.text.trim()} change={(to) => void save(told, { vacation: { ...draft, off: !to || undefined } }, saved)} />
      </Row>
      <div class="two-fields">
        <label class="field"><span>{t("away_from")}</span><input type="date" value={draft.from?.slice(0, 10) ?? ""} onInput={(e) => set({ from: e.currentTarget.value || undefined })} /></label>
        <label class="field"><span>{t("away_until")}</span><input type="date" min={draft.from?.slice(0, 10)} value={draft.until?.slice(0, 10) ?? ""} onInput={(e) => set({ until: e.currentTarget.value || undefined })} /></label>
      </div>
      <label class="field"><span>{t("subject")}</span><input value={draft.subject ?? ""} placeholder={t("away_subject")} onInput={(e) => set({ subject: e.currentTarget.value || undefined })} /></label>
      <label class="field"><span>{t("away_message")}</span><textarea rows={5} value={draft.text} placeholder={t("away_example")} onInput={(e) => set({ text: e.currentTarget.value, html: undefined })} /></label>
      <div class="part-buttons"><Button primary disabled={(on && !changed) || !draft.text.trim()} onClick={() => void save(told, { vacation: { ...draft, off: undefined } }, saved)}>{t(on ? "save" : "away_turn_on")}</Button></div>
    </Part>
  );
}

/** stands says what answers do now: their days may be to come, or over. */
function stands(v: { from?: string; until?: string }): string {
  const day = (text: string) => new Date(`${text.slice(0, 10)}T12:00`);
  const noon = new Date().setHours(12, 0, 0, 0);
  if (v.from && day(v.from).getTime() > noon) return t("away_on_from", { day: longDay(day(v.from)) });
  if (v.until && day(v.until).getTime() < noon) return t("away_over", { day: longDay(day(v.until)) });
  return v.until ? t("away_on_until", { day: longDay(day(v.until)) }) : t("away_on");
}

function Onwards({ told, saved }: Props) {
  const f = told.settings.forward;
  const [to, setTo] = useState(f?.to.join(", ") ?? "");
  const [keep, setKeep] = useState(f?.keep ?? true);
  const list = to.split(/[\s,;]+/).filter(Boolean);
  useUnsaved(list.join() !== (f?.to.join() ?? "") || (!!f && keep !== f.keep));
  return (
    <Part title={t("onwards")} text={t("onwards_text")}>
      <label class="field"><span>{t("onwards_to")}</span><input type="text" inputMode="email" autocapitalize="none" spellcheck={false} value={to} onInput={(e) => setTo(e.currentTarget.value)} /></label>
      <label class="check"><input type="checkbox" checked={keep} onChange={(e) => setKeep(e.currentTarget.checked)} /> {t("onwards_keep")}</label>
      <div class="part-buttons">
        <Button primary disabled={list.length === 0} onClick={() => void save(told, { forward: { to: list, keep } }, saved)}>{t("save")}</Button>
        {f && <Button onClick={() => void save(told, { forward: undefined }, saved).then((done) => done && setTo(""))}>{t("onwards_off")}</Button>}
      </div>
    </Part>
  );
}
