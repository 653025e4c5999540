// What goes along with a message: pictures in the text and attachments, on their way up or there.

import { signal, type Signal } from "@preact/signals";
import { first } from "../core/first";
import { MethodError, sessionOver } from "../core/jmap";
import { t } from "../core/text";

type FileState = "going" | "done" | "failed" | "paused";

/** Link is a large file that travels as an address instead of in the message. */
export interface Link {
  id: string; // of the file at the server
  url: string;
  until: string; // date
  /** text and html stand in the message. */
  text: string;
  html: string;
}

/** Attached is a file of a draft. */
export interface Attached {
  key: string;
  name: string;
  type: string;
  size: number;
  /** file is there as long as it was chosen in this browser. */
  file?: Blob;
  blobId?: string;
  /** cid is the name under which the text shows it; "" for an attachment. */
  cid: string;
  /** shown is the cid of a picture whose text is plain for now. */
  shown?: string;
  /** url shows a picture of the text in the editor, or a thumbnail. */
  url?: string;
  link?: Link;
  /** upload is where a large file goes up to. */
  upload?: string;
  state: Signal<FileState>;
  /** share is how much of it is up, 0 to 1. */
  share: Signal<number>;
  why: Signal<string>;
  stop?: () => void;
}

/** choose lets somebody choose files. */
export function choose(accept: string, chosen: (files: File[]) => void, multiple = true): void {
  const input = document.createElement("input");
  input.type = "file";
  input.multiple = multiple;
  input.accept = accept;
  input.onchange = () => chosen([...(input.files ?? [])]);
  input.click();
}

let keys = 0;

/** attached makes one from a file. */
export function attached(file: Blob & { name?: string }, cid = ""): Attached {
  const name = file.name || `${t("compose_picture")}.${(file.type.split("/")[1] ?? "bin").replace(/\W.*/, "")}`;
  return {
    key: `f${Date.now().toString(36)}${keys++}`, name, type: file.type || typeOf(name), size: file.size, file, cid,
    ...(/^image\/(?:png|jpeg|gif|webp|avif|bmp)$/.test(file.type) ? { url: URL.createObjectURL(file) } : {}),
    state: signal<FileState>("going"), share: signal(0), why: signal(""),
  };
}

/** there makes one from a blob of the server. */
export function there(part: { blobId: string | null; name: string | null; type: string; size: number; cid: string | null }, inline: boolean): Attached {
  return {
    key: `f${Date.now().toString(36)}${keys++}`, name: part.name ?? t("compose_unnamed"), type: part.type, size: part.size, blobId: part.blobId ?? "",
    cid: inline ? part.cid ?? "" : "", state: signal<FileState>("done"), share: signal(1), why: signal(""),
  };
}

/** typeOf is the media type of a file whose browser does not tell. */
function typeOf(name: string): string {
  return ({ eml: "message/rfc822", ics: "text/calendar", vcf: "text/vcard", md: "text/markdown", csv: "text/csv" } as Record<string, string>)[name.split(".").at(-1)!.toLowerCase()] ?? "application/octet-stream";
}

/** download is where a blob can be had. */
export const download = (blobId: string, name: string, type: string): string =>
  `${location.origin}/jmap/download/${first.account.id}/${encodeURIComponent(blobId)}/${encodeURIComponent(name)}?type=${encodeURIComponent(type)}`;

/** maxAtOnce is fewer than the uploads that the server takes at once. */
const maxAtOnce = 3;
let running = 0;
const queue: (() => void)[] = [];

/** up sends a file to the server with its progress. It never rejects: state and why tell. */
export async function up(a: Attached, done: () => void): Promise<void> {
  a.state.value = "going";
  a.why.value = "";
  let stopped = false;
  a.stop = () => (stopped = true);
  if (running >= maxAtOnce) await new Promise<void>((go) => queue.push(go));
  running++;
  try {
    if (stopped) return;
    a.blobId = await post(a);
    a.share.value = 1;
    a.state.value = "done";
  } catch (error) {
    a.state.value = "failed";
    a.why.value = error instanceof MethodError ? error.message : t("compose_upload_line");
  } finally {
    running--;
    queue.shift()?.();
    delete a.stop;
    done();
  }
}

/** post uploads a blob. XMLHttpRequest, because fetch tells no progress. */
function post(a: Attached): Promise<string> {
  return new Promise((resolve, reject) => {
    const x = new XMLHttpRequest();
    x.open("POST", `/jmap/upload/${first.account.id}/`);
    x.setRequestHeader("X-CSRF-Token", first.csrf);
    x.setRequestHeader("Content-Type", a.type);
    x.responseType = "json";
    x.upload.onprogress = (e) => (a.share.value = e.loaded / Math.max(1, e.total));
    x.onload = () => {
      if (x.status === 401) sessionOver.value = true;
      if (x.status >= 200 && x.status < 300 && x.response?.blobId) resolve(x.response.blobId);
      else reject(new MethodError(String(x.status), { description: x.response?.text ?? x.response?.detail ?? x.response?.title ?? t("compose_upload_line") }));
    };
    x.onerror = x.onabort = () => reject(new Error("line"));
    a.stop = () => x.abort();
    x.send(a.file!);
  });
}
