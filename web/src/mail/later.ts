// What is seldom needed of the mail page (seldom.tsx), loaded when it is.

import { say } from "../core/actions";
import { load } from "../core/load";

type Seldom = typeof import("./seldom");

/** later does something with it; where it cannot be loaded, that is said. */
export async function later<T>(work: (part: Seldom) => T): Promise<Awaited<T> | undefined> {
  let part: Seldom;
  try {
    part = await load<Seldom>("seldom");
  } catch (error) {
    say(error);
    return undefined;
  }
  return await work(part);
}
