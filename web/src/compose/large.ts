// Files that are too large for a message: they go up in pieces (src/files/tus.ts), can pause, and go on after the line or the
// page was gone.

import { api, MethodError, sessionOver } from "../core/jmap";
import { keepNot, keepThat, kept } from "../core/kept";
import { t } from "../core/text";
import { create, offsetOf, patch } from "../files/tus";
import type { Attached, Link } from "./files";

/** keepUpTo is up to which size the browser keeps a file, so that it goes on by itself after a reload. */
const keepUpTo = 300 << 20;

/** Upload is one that was begun, as the browser keeps it. */
interface Upload {
  id: string; // where it goes to
  print: string; // tells the file again
  at: number;
  file?: Blob;
}

interface Linked {
  file: { id: string; expires: string; link: { url: string } };
  text: string;
  html: string;
}

/** printOf tells a file from others when it is chosen again. */
const printOf = (a: { name: string; size: number; file?: Blob }): string => `${a.name}:${a.size}:${(a.file as File | undefined)?.lastModified ?? 0}`;

/** mostFailures is how often in a row it is tried again by itself. */
const mostFailures = 8;

/** isGone tells whether the server knows an upload no longer. */
const isGone = (error: unknown): boolean => error instanceof MethodError && (error.detail.status === 404 || error.detail.status === 410);

/** large sends a file up and makes its link. It never rejects; changed is called when there is something to save. */
export async function large(a: Attached, changed: () => void): Promise<void> {
  a.state.value = "going";
  a.why.value = "";
  let stopped = false;
  a.stop = () => (stopped = true);
  try {
    a.file ??= (await kept<Upload>("uploads")).find((u) => u.id === a.upload)?.file;
    if (!a.file) {
      a.state.value = "paused";
      a.why.value = t("large_choose_again");
      return;
    }
    if (!a.upload || a.upload === "new") {
      a.upload = (await begun(a)) ?? (await beginNew(a));
      changed();
    }
    for (let failures = 0; ;) {
      try {
        const offset = await offsetOf(a.upload);
        a.share.value = offset / Math.max(1, a.size);
        if (await rest(a, offset, () => stopped)) break;
        if (stopped) {
          a.state.value = "paused";
          return;
        }
        failures = 0;
      } catch (error) {
        if (isGone(error) && ++failures <= mostFailures) {
          a.upload = await beginNew(a); // it was given up meanwhile
          changed();
          continue;
        }
        if (error instanceof MethodError && (error.detail.status ?? 500) < 500) throw error;
        if (stopped || sessionOver.peek() || ++failures > mostFailures) {
          a.state.value = "paused";
          a.why.value = stopped ? "" : t("large_line");
          return;
        }
        a.why.value = t("large_line_wait");
        await Promise.race([new Promise((go) => setTimeout(go, Math.min(30e3, 1000 * 2 ** failures))), new Promise((go) => addEventListener("online", go, { once: true }))]);
        a.why.value = "";
      }
    }
    a.link = await link(a.upload);
    a.share.value = 1;
    a.state.value = "done";
    await keepNot("uploads", a.upload).catch(() => {});
  } catch (error) {
    a.state.value = "failed";
    a.why.value = error instanceof MethodError ? error.message : t("large_line");
  } finally {
    delete a.stop;
    changed();
  }
}

/** begun finds an upload of the same file that was not finished. */
async function begun(a: Attached): Promise<string | undefined> {
  const all = await kept<Upload>("uploads").catch(() => []);
  return all.find((u) => u.print === printOf(a) && Date.now() - u.at < 86400e3)?.id;
}

/** beginNew begins an upload, which the browser keeps in mind. */
async function beginNew(a: Attached): Promise<string> {
  const id = await create(a);
  await keepThat("uploads", { id, print: printOf(a), at: Date.now(), ...(a.size <= keepUpTo ? { file: a.file } : {}) } as Upload).catch(() => {});
  return id;
}

/** rest sends pieces until all is up, and tells whether it is. */
async function rest(a: Attached, offset: number, stopped: () => boolean): Promise<boolean> {
  while (offset < a.size) {
    if (stopped()) return false;
    const before = a.stop;
    offset = await patch(a.upload!, a.file!, offset, (octets) => (a.share.value = octets / a.size), (stop) => {
      a.stop = () => {
        before?.();
        stop();
      };
    });
    a.share.value = offset / a.size;
  }
  return true;
}

async function link(upload: string): Promise<Link> {
  const linked = await api<Linked>("POST", `/api${upload}/link`, {});
  return { id: linked.file.id, url: linked.file.link.url, until: linked.file.expires, text: linked.text, html: linked.html };
}

/** drop gives an upload up, or ends its link. */
export function drop(a: Attached): void {
  if (!a.upload || a.upload === "new") return;
  void keepNot("uploads", a.upload).catch(() => {});
  void api("DELETE", `/api${a.upload}`).catch(() => {});
}

/** compressible tells whether packing makes a file smaller. */
export const compressible = (a: { name: string; type: string }): boolean =>
  /^text\/|json|xml|csv|svg|bmp|tiff|wav|x-sql|postscript|vnd\.ms-|octet-stream/.test(a.type) && !/\.(?:zip|gz|7z|rar|xz|zst|bz2|jpe?g|png|mp[34]|mov|m4[av]|mkv|webm|avi|heic|docx|xlsx|pptx|od[tsp]|pdf|iso|dmg|apk|jar)$/i.test(a.name);
