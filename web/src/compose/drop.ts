// Files that are dragged onto a window, or pasted into it.

import { useState } from "preact/hooks";
import { say } from "../core/actions";
import { attach } from "./attachments";
import type { Handle } from "./editor";
import type { Draft } from "./model";

/** useDrop answers whether files are held over the window, and what it does with them. */
export function useDrop(draft: Draft, editor: Handle) {
  const [over, setOver] = useState(false);
  const take = (files: File[]) => void attach(draft, files).catch(say);
  const inText = (e: Event) => draft.rich.peek() && !!(e.target as Element).closest(".editor");
  const isPicture = (f: File) => f.type.startsWith("image/");
  const mine = (e: Event) => {
    e.preventDefault();
    e.stopPropagation();
  };
  const on = {
    onDragOver: (e: DragEvent) => {
      if (!e.dataTransfer?.types.includes("Files")) return;
      e.preventDefault();
      setOver(true);
    },
    onDragLeave: (e: DragEvent) => {
      if (!(e.currentTarget as Element).contains(e.relatedTarget as Node | null)) setOver(false);
    },
    onDrop: (e: DragEvent) => {
      setOver(false);
      const files = [...(e.dataTransfer?.files ?? [])];
      if (!files.length) return;
      mine(e);
      if (inText(e) && files.every(isPicture)) editor.current?.pictures(files);
      else take(files);
    },
    onPaste: (e: ClipboardEvent) => {
      const files = [...(e.clipboardData?.files ?? [])];
      if (!files.length || e.clipboardData!.types.includes("text/html")) return;
      mine(e);
      take(inText(e) ? files.filter((f) => !isPicture(f)) : files); // pictures that are pasted into the text are the editor's
    },
  };
  return { over, on };
}
