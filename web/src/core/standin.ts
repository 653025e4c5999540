// Who answers calls of JMAP while the server cannot be reached: src/offline, once it is loaded.

import type { Invocation } from "./jmap";

/** StandIn answers method calls from what is kept on this device, or undefined where it cannot. */
type StandIn = (calls: Invocation[]) => Promise<Invocation[] | undefined>;

let ready: (s: StandIn) => void;
const loaded = new Promise<StandIn>((resolve) => (ready = resolve));

/** patience is how long a call waits for the stand-in to be loaded; milliseconds. */
const patience = 5000;

export function setStandIn(s: StandIn): void {
  ready(s);
}

export async function answerOffline(calls: Invocation[]): Promise<Invocation[] | undefined> {
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, patience));
  return (await Promise.race([loaded, late]))?.(calls);
}
