// The hints of a draft below its text: which of them were put aside, and which were seen when somebody wanted to send.

import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { t } from "../core/text";
import { IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import { hintsOf, lastHints, type Hint } from "./hints";
import type { Draft } from "./model";

/** Hints are those of a draft as they are shown now. */
export interface Hints {
  list: Hint[];
  dismiss: (h: Hint) => void;
  /** hold looks for the last time before the message goes, and tells whether it has to wait for somebody who reads what is new. */
  hold: () => boolean;
  /** asked tells whether somebody was asked about one that still stands. */
  asked: boolean;
}

export function useHints(draft: Draft, does: { attach: () => void; subject: () => void }): Hints {
  const last = useSignal<Hint[]>([]);
  const dismissed = useSignal<ReadonlySet<string>>(new Set());
  const asked = useRef(new Set<string>());
  const all = { ...does, ...(draft.answering?.keyword === "$answered" && draft.to.peek()[0] ? { onlySender: () => onlySender(draft) } : {}) };
  const current = () => [...hintsOf(draft, all), ...last.value].filter((h) => !dismissed.value.has(h.key));
  const list = current();
  return {
    list,
    dismiss: (h) => (dismissed.value = new Set([...dismissed.peek(), h.key])),
    hold: () => {
      last.value = lastHints(draft, all);
      const now = current();
      const fresh = now.filter((h) => h.weight === "asks" && !asked.current.has(h.key));
      for (const h of fresh) asked.current.add(h.key);
      return fresh.length > 0 || now.some((h) => h.weight === "stops");
    },
    asked: list.some((h) => h.weight === "asks" && asked.current.has(h.key)),
  };
}

/** onlySender leaves out all but who is answered. */
function onlySender(draft: Draft): void {
  draft.to.value = draft.to.peek().slice(0, 1);
  draft.cc.value = [];
}

export function HintList({ list, dismiss }: Hints) {
  if (!list.length) return null;
  return (
    <div class="hints" tabIndex={-1} role="status"><ul>
      {list.map((h) => (
        <li key={h.key} class={h.weight}>
          <Icon name={h.weight === "tells" ? "info" : "circle-alert"} />
          <span>{h.text}</span>
          {h.action && <button type="button" class="link" onClick={() => {
            dismiss(h);
            h.run?.();
          }}>{h.action}</button>}
          {h.weight !== "stops" && <IconButton icon="x" label={t("hint_dismiss")} onClick={() => dismiss(h)} />}
        </li>
      ))}
    </ul></div>
  );
}
