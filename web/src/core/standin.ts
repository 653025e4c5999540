// Who answers calls of JMAP while the server cannot be reached: src/offline, once it is loaded.

import type { Invocation } from "./jmap";

/** StandIn answers method calls from what is kept on this device, or undefined where it cannot. */
export type StandIn = (calls: Invocation[]) => Promise<Invocation[] | undefined>;

let standIn: StandIn | undefined;

export function setStandIn(s: StandIn): void {
  standIn = s;
}

export async function answerOffline(calls: Invocation[]): Promise<Invocation[] | undefined> {
  return standIn?.(calls);
}
