// The files of a draft: their progress, and what can be done with each.

import { first } from "../core/first";
import { problem, send } from "../core/jmap";
import { load } from "../core/load";
import { locale, size, t } from "../core/text";
import { IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
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

const day = new Intl.DateTimeFormat(locale, { day: "numeric", month: "long" });

export function Files({ draft }: { draft: Draft }) {
  const files = draft.files.value.filter((a) => !a.cid);
  if (!files.length) return null;
  const inside = files.filter((a) => !a.upload);
  const sum = inside.reduce((n, a) => n + a.size, 0);
  const over = draft.size.value > first.maxSize;
  return (
    <section class="files" aria-label={t("attachments")}>
      <ul>{files.map((a) => <FileRow key={a.key} draft={draft} a={a} />)}</ul>
      {(inside.length > 1 || over) && <p class={over ? "over" : "soft"} role={over ? "alert" : undefined}>
        {over ? t("files_over", { size: size(draft.size.value), limit: size(first.maxSize) }) : t("files_sum", { size: size(sum) })}
      </p>}
    </section>
  );
}

function FileRow({ draft, a }: { draft: Draft; a: Attached }) {
  const state = a.state.value;
  const again = () => void (a.upload ? large(a, () => draft.touch()) : up(a, () => draft.touch()));
  return (
    <li class={`file ${state}`}>
      <span class="thumb">{a.url && !a.cid ? <img src={a.url} alt="" /> : <Icon name={a.upload ? "link" : /zip|compressed/.test(a.type) ? "file-archive" : "file"} />}</span>
      <span class="file-what">
        <span class="file-name">{a.blobId && !a.link ? <a href={download(a.blobId, a.name, a.type)} target="_blank" rel="noopener">{a.name}</a> : a.name}</span>
        <span class="soft">
          {size(a.size)}{a.link ? ` · ${t("file_link", { until: day.format(new Date(a.link.until)) })}` : ""}
          {state === "going" && ` · ${Math.floor(a.share.value * 100)} %`}{state === "paused" && ` · ${t("file_paused", { n: Math.floor(a.share.value * 100) })}`}
        </span>
        {a.why.value && <span class={state === "failed" ? "why" : "soft"} role="alert">{a.why.value}</span>}
        {(state === "going" || state === "paused") && <progress value={a.share.value} aria-label={t("file_progress", { name: a.name })} />}
      </span>
      {state === "going" && a.upload && <IconButton icon="pause" label={t("file_pause")} onClick={() => a.stop?.()} />}
      {state === "paused" && <IconButton icon="play" label={t("file_go_on")} onClick={() => (a.file ? again() : void rechoose(a, again))} />}
      {state === "failed" && a.file && <IconButton icon="refresh-cw" label={t("try_again")} onClick={again} />}
      {!a.upload && a.file && a.size > 1e6 && state !== "going" && <IconButton icon="link" label={t("file_as_link")} onClick={() => asLink(draft, a)} />}
      <IconButton icon="x" label={t("file_remove", { name: a.name })} onClick={() => {
        draft.remove(a);
        if (a.upload) bulk().then((part) => part.drop(a), () => {}); // the server gives it up by itself
      }} />
    </li>
  );
}

/** rechoose asks for a file again that the browser did not keep. */
async function rechoose(a: Attached, then: () => void): Promise<void> {
  const input = document.createElement("input");
  input.type = "file";
  input.onchange = () => {
    const f = input.files?.[0];
    if (!f) return;
    if (f.size !== a.size || f.name !== a.name) a.why.value = t("large_other_file", { name: a.name });
    else {
      a.file = f;
      then();
    }
  };
  input.click();
}
