// The editor of rich text, which is a script of its own (src/editor).

import { load } from "../core/load";

type Libraries = typeof import("../editor/main");

let here: Libraries | undefined;

/** needLibraries resolves once it is there; nobody can write before. */
export async function needLibraries(): Promise<void> {
  here ??= await load<Libraries>("editor");
}

/** libraries are there once a window is open. */
export const libraries = (): Libraries => here!;
