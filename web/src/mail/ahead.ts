// What somebody is about to open is made ready: where the mouse rests or a finger comes down, where the keys are, and what
// comes after what is read.

import { effect } from "@preact/signals";
import { known } from "../core/mail";
import { route } from "../core/route";
import { prepare } from "../read/ready";
import { cursor, list } from "./state";

const rest = 40; // milliseconds that a mouse rests on a row before it counts
const pause = 150; // and that the keys do

let timer: ReturnType<typeof setTimeout> | undefined;

/** near makes a conversation ready unless notNear is called soon. */
export function near(threadId: string, after = rest): void {
  clearTimeout(timer);
  timer = setTimeout(prepare, after, threadId);
}

export function notNear(): void {
  clearTimeout(timer);
}

effect(() => {
  const id = cursor.value;
  const reading = route.value.thread;
  const l = list.peek();
  const next = id && known(reading ? (l?.at(l.indexOf(id) + 1) ?? "") : id);
  if (next && next.threadId !== reading) near(next.threadId, pause);
});
