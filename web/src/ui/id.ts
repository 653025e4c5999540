import { useState } from "preact/hooks";

let last = 0;

/** useName is an id that no other element of the page has; useId of Preact has the same ones in each part that is rendered on its own. */
export function useName(): string {
  return useState(() => `id-${++last}`)[0];
}
