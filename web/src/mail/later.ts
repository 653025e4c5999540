// What is seldom needed of the mail page (seldom.tsx), loaded when it is.

import { explain } from "../core/actions";
import { load } from "../core/load";
import { toast } from "../ui/toast";

type Seldom = typeof import("./seldom");

/** later does something with it; where it cannot be loaded, that is said. */
export async function later<T>(work: (part: Seldom) => T): Promise<Awaited<T> | undefined> {
  let part: Seldom;
  try {
    part = await load<Seldom>("seldom");
  } catch (error) {
    toast(explain(error), { kind: "error" });
    return undefined;
  }
  return await work(part);
}
