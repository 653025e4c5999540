// From the wish to send to the message that goes: what is in the way is shown first, and files on their way are waited for.

import { useEffect, useState } from "preact/hooks";
import { first } from "../core/first";
import { online } from "../core/jmap";
import type { Hints } from "./hintlist";
import type { Draft } from "./model";

/** When is when a message is to go, and the zone in which that was chosen; neither for now. */
type When = [at?: Date, zone?: string];

/** isToNobody tells whether a draft has no addressee. */
export const isToNobody = (d: Draft): boolean => d.to.value.length + d.cc.value.length + d.bcc.value.length === 0;

const hasFailed = (d: Draft): boolean => d.files.peek().some((a) => a.state.peek() === "failed");

/** obstacle is where in the window something is in the way of a draft, as a selector. */
function obstacle(d: Draft, hints: Hints): string | undefined {
  if (isToNobody(d)) return ".recipients input";
  if (d.conflict.peek()) return ".compose-note button"; // of a draft that another window changed, one would be taken for the other
  if (hints.hold()) return ".hints button, .hints";
  if (hasFailed(d) || d.size.peek() > first.maxSize) return ".files .failed button, .files button";
  return undefined;
}

/** useSending answers what tries to send a draft, and whether that waits for files on their way, which cancel ends. */
export function useSending(draft: Draft, hints: Hints, root: { current: HTMLElement | null }, send: (...when: When) => void): { trySend: (...when: When) => void; waits: boolean; cancel: () => void } {
  const [waits, setWaits] = useState<When>();
  useEffect(() => {
    if (!waits || draft.uploading.value) return;
    setWaits(undefined);
    if (!hasFailed(draft)) send(...waits);
  }, [waits, draft.uploading.value]);
  const trySend = (...when: When) => {
    (document.activeElement as HTMLElement | null)?.blur(); // what stands in a field of addressees becomes a chip
    setTimeout(() => {
      const at = obstacle(draft, hints);
      if (at) root.current?.querySelector<HTMLElement>(at)?.focus();
      else if (draft.uploading.peek() && (online.peek() || draft.files.peek().some((a) => a.upload && !a.link))) setWaits(when);
      else send(...when);
    });
  };
  return { trySend, waits: !!waits, cancel: () => setWaits(undefined) };
}
