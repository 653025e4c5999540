// The files of a draft as they are shown: their progress, and what can be done with each.

import { first } from "../core/first";
import { locale, size, t } from "../core/text";
import { IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import { choose, download, type Attached } from "./files";
import type { Draft } from "./model";

/** Doing is what somebody can do with a file. */
interface Doing {
  again: (a: Attached) => void;
  asLink: (a: Attached) => void;
  remove: (a: Attached) => void;
}

const day = new Intl.DateTimeFormat(locale, { day: "numeric", month: "long" });

export function FileList({ draft, files, ...doing }: Doing & { draft: Draft; files: Attached[] }) {
  const inside = files.filter((a) => !a.upload);
  const sum = inside.reduce((n, a) => n + a.size, 0);
  const over = draft.size.value > first.maxSize;
  return (
    <section class="files" aria-label={t("attachments")}>
      <ul>{files.map((a) => <FileRow key={a.key} a={a} {...doing} />)}</ul>
      {(inside.length > 1 || over) && <p class={over ? "over" : "soft"} role={over ? "alert" : undefined}>
        {over ? t("files_over", { size: size(draft.size.value), limit: size(first.maxSize) }) : t("files_sum", { size: size(sum) })}
      </p>}
    </section>
  );
}

function FileRow({ a, again, asLink, remove }: Doing & { a: Attached }) {
  const state = a.state.value;
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
      {state === "paused" && <IconButton icon="play" label={t("file_go_on")} onClick={() => (a.file ? again(a) : rechoose(a, again))} />}
      {state === "failed" && a.file && <IconButton icon="refresh-cw" label={t("try_again")} onClick={() => again(a)} />}
      {!a.upload && a.file && a.size > 1e6 && state !== "going" && <IconButton icon="link" label={t("file_as_link")} onClick={() => asLink(a)} />}
      <IconButton icon="x" label={t("file_remove", { name: a.name })} onClick={() => remove(a)} />
    </li>
  );
}

/** rechoose asks for a file again that the browser did not keep. */
function rechoose(a: Attached, then: (a: Attached) => void): void {
  choose("", ([f]) => {
    if (!f) return;
    if (f.size !== a.size || f.name !== a.name) a.why.value = t("large_other_file", { name: a.name });
    else {
      a.file = f;
      then(a);
    }
  }, false);
}
