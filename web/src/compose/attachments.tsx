// The files of a draft: taken along, in the message or as links. How they are shown is loaded with the first of them.

import { say } from "../core/actions";
import { first } from "../core/first";
import { problem, send } from "../core/jmap";
import { load, usePart } from "../core/load";
import { t } from "../core/text";
import { attached, download, up, type Attached } from "./files";
import type { Draft } from "./model";

/** bulk is what large files need, loaded with the first of them. */
const bulk = () => load<typeof import("./bulk")>("bulk");

/** large sends a file up and makes its link. It never rejects; changed is called when there is something to save. */
async function large(a: Attached, changed: () => void): Promise<void> {
  try {
    await (await bulk()).large(a, changed);
  } catch {
    a.state.value = "failed";
    a.why.value = t("large_line");
  }
}

/** attach takes files along: in the message as far as it has room, the others as links. */
export async function attach(d: Draft, files: File[]): Promise<void> {
  let room = first.maxSize - d.size.peek();
  const big: File[] = [];
  const small: File[] = [];
  for (const f of files) {
    const needs = Math.ceil(f.size * 1.37) + 500;
    if (needs > room) big.push(f);
    else {
      small.push(f);
      room -= needs;
    }
  }
  d.add(small.map((f) => attached(f)));
  if (!big.length) return;
  const answer = await (await bulk()).ask(big);
  if (answer === "link") sendUp(d, big);
  else if (answer) {
    const fits = answer.every((f) => f.size * 1.37 < room);
    if (fits) d.add(answer.map((f) => attached(f)));
    else sendUp(d, answer);
  }
}

/** sendUp sends files up as large ones. */
function sendUp(d: Draft, files: File[]): void {
  const all = files.map((f) => ({ ...attached(f), upload: "new" }));
  d.add(all);
  for (const a of all) void large(a, () => d.touch());
}

/** asLink makes a link of what is attached. */
export function asLink(d: Draft, a: Attached): void {
  a.stop?.();
  a.share.value = 0;
  const b: Attached = { ...a, upload: "new" };
  d.files.value = d.files.peek().map((x) => (x === a ? b : x));
  b.state.value = "going";
  fetchFile(b).then(() => {
    delete b.blobId;
    return large(b, () => d.touch());
  }, () => (b.state.value = "failed"));
}

/** fetchFile gets what is attached from the server, if it is not here. */
async function fetchFile(a: Attached): Promise<void> {
  if (a.file) return;
  const response = await send(download(a.blobId!, a.name, a.type));
  if (!response.ok) throw await problem(response);
  a.file = await response.blob();
}

/** resume goes on with uploads that a reload broke off. */
export function resume(d: Draft): void {
  for (const a of d.files.peek()) if (a.upload && !a.link && a.state.peek() === "paused") void large(a, () => d.touch());
}

/** Files are those of a draft but for the pictures in its text. */
export function Files({ draft }: { draft: Draft }) {
  const files = draft.files.value.filter((a) => !a.cid);
  const part = usePart<typeof import("./filelist")>("filelist", files.length > 0, say);
  if (!part || !files.length) return null;
  const touch = () => draft.touch();
  return (
    <part.FileList
      draft={draft} files={files} again={(a) => void (a.upload ? large(a, touch) : up(a, touch))} asLink={(a) => asLink(draft, a)}
      remove={(a) => {
        draft.remove(a);
        if (a.upload) bulk().then((part) => part.drop(a), () => {}); // the server gives it up by itself
      }}
    />
  );
}
