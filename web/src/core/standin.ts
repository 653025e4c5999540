// Who answers calls of JMAP while the server cannot be reached: src/offline, once it is loaded.

import { signal } from "@preact/signals";
import type { Invocation } from "./jmap";

interface StandIn {
  /** answer answers method calls from what is kept on this device, or undefined where it cannot. */
  answer(calls: Invocation[]): Promise<Invocation[] | undefined>;
  /** holds tells whether a call must wait behind what was done without a line. */
  holds(call: Invocation): boolean;
}

let standIn: StandIn | undefined;
let ready: (s: StandIn) => void;
const loaded = new Promise<StandIn>((resolve) => (ready = resolve));

/** changesWaiting is how many emails were changed without a line, which the server does not know yet. */
export const changesWaiting = signal(0);

/** patience is how long a call waits for the stand-in to be loaded; milliseconds. */
const patience = 5000;

export function setStandIn(s: StandIn): void {
  standIn = s;
  ready(s);
}

export const heldBack = (calls: Invocation[]): boolean => !!standIn && calls.some((c) => standIn!.holds(c));

export async function answerOffline(calls: Invocation[]): Promise<Invocation[] | undefined> {
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, patience));
  return (await Promise.race([loaded, late]))?.answer(calls);
}
