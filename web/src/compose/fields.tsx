// Who writes, to whom, and about what.

import { useRef, useState } from "preact/hooks";
import { t } from "../core/text";
import { IconButton } from "../ui/button";
import { signatureText, swapSignature } from "./begin";
import type { Handle } from "./editor";
import { identities, type Identity } from "./identity";
import type { Draft } from "./model";
import { Recipients, type Line } from "./recipients";

const addressees = ["to", "cc", "bcc"] as const;
type Field = (typeof addressees)[number] | "subject";

/** Entry is what the window asks of the fields. */
export interface Entry {
  /** focus goes to a field, which is shown from now on. */
  focus(field: Field): void;
}

export function Fields({ draft, handle, editor }: { draft: Draft; handle: { current: Entry | null }; editor: Handle }) {
  const [shown, setShown] = useState({ to: true, cc: draft.cc.peek().length > 0, bcc: draft.bcc.peek().length > 0 });
  const inputs = useRef({ to: input(), cc: input(), bcc: input(), subject: input() }).current;
  const show = (f: Field) => setShown((s) => ({ ...s, [f]: true }));
  const focus = (field: Field) => {
    const there = inputs[field].current;
    if (there) return there.focus();
    show(field);
    requestAnimationFrame(() => inputs[field].current?.focus());
  };
  handle.current = { focus };
  const line = (f: (typeof addressees)[number]): Line => ({ label: t(f), chips: draft[f], open: () => show(f) });
  const hidden = addressees.filter((f) => !shown[f]);
  const showAll = () => {
    for (const f of hidden) show(f);
    focus(hidden[0]!);
  };
  return (
    <div class="compose-fields">
      {identities.value.length > 1 && <From draft={draft} editor={editor} />}
      {addressees.filter((f) => shown[f]).map((f) => (
        <div class="line" key={f}>
          <span class="line-name" aria-hidden="true">{t(f)}</span>
          <Recipients {...line(f)} others={addressees.filter((x) => x !== f).map(line)} inputRef={inputs[f]} onEnter={f === "to" ? () => focus("subject") : undefined} />
          {f === "to" && hidden.length > 0 && <>
            <IconButton icon="chevron-down" class="more-fields" label={hidden.map((h) => t(h)).join(", ")} onClick={showAll} />
            {hidden.map((h) => <button key={h} type="button" class="link" onClick={() => focus(h)} title={`Ctrl+Shift+${h[0]!.toUpperCase()}`}>{t(h)}</button>)}
          </>}
        </div>
      ))}
      <div class="line">
        <input
          ref={inputs.subject} class="subject" aria-label={t("compose_subject")} placeholder={t("compose_subject")} value={draft.subject.value} spellcheck dir="auto"
          onInput={(e) => (draft.subject.value = e.currentTarget.value)}
          onKeyDown={(e) => {
            if (e.key === "Enter" && !e.ctrlKey && !e.metaKey) {
              e.preventDefault();
              editor.current?.focus();
            }
          }}
        />
      </div>
    </div>
  );
}

/** input is where an input is found once it is there. */
const input = (): { current: HTMLInputElement | null } => ({ current: null });

/** From chooses who one writes as; the signature changes with it where it stands as it was put in. */
function From({ draft, editor }: { draft: Draft; editor: Handle }) {
  const chosen = draft.identity.value;
  const change = (i: Identity | undefined) => {
    draft.read();
    const before = draft.identity.peek();
    const [from, to] = [signatureText(before), signatureText(i)];
    draft.html = swapSignature(draft.html, before, i);
    draft.text = from && draft.text.includes(from) ? draft.text.replace(from, () => to) : from ? draft.text : draft.text + to;
    draft.identity.value = i;
    editor.current?.set();
  };
  return (
    <label class="line">
      <span class="line-name">{t("from")}</span>
      <select value={chosen?.id} onChange={(e) => change(identities.peek().find((i) => i.id === e.currentTarget.value))}>
        {identities.value.map((i) => <option key={i.id} value={i.id}>{i.name ? `${i.name} <${i.email}>` : i.email}</option>)}
      </select>
    </label>
  );
}
