// The editor and the sanitiser, which are a script of their own (src/editor).

import { load } from "../core/load";

type Libraries = typeof import("../editor/main");

let here: Libraries | undefined;

/** needLibraries resolves once they are there; nothing of this part works before. */
export async function needLibraries(): Promise<void> {
  here ??= await load<Libraries>("editor");
}

/** libraries are there once a window is open. */
export const libraries = (): Libraries => here!;
