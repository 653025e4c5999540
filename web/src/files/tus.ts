// Files that go up in pieces (the tus protocol, tus.io/protocols/resumable-upload), for whoever sends one: an upload is begun, asked how far
// it is, and given one piece after another. The protocol is five small requests, so there is no library here: the usual one
// is as large as all of writing.

import { first } from "../core/first";
import { MethodError, problem, send, sessionOver } from "../core/jmap";

const version = { "Tus-Resumable": "1.0.0" };

/** piece is how much goes up in a request, in octets. */
const piece = 16 << 20;

/** create begins an upload and answers its address. It rejects as calls do. */
export async function create(file: { name: string; size: number; type?: string }): Promise<string> {
  const base64 = (s: string) => btoa(String.fromCharCode(...new TextEncoder().encode(s)));
  const about = [`filename ${base64(file.name)}`, file.type && `filetype ${base64(file.type)}`].filter(Boolean).join(",");
  const response = await send("/files/", { method: "POST", headers: { ...version, "Upload-Length": String(file.size), "Upload-Metadata": about } });
  if (!response.ok) throw await problem(response);
  return response.headers.get("Location")!;
}

/** offsetOf asks how much of an upload is there, in octets. */
export async function offsetOf(url: string): Promise<number> {
  const response = await send(url, { method: "HEAD", headers: version });
  if (!response.ok) throw new MethodError(String(response.status), { status: response.status });
  return Number(response.headers.get("Upload-Offset"));
}

/**
 * patch sends the next piece of a file and answers how much is there then. It tells how much has gone so far, and gives begun what
 * breaks it off; that, and a line that is gone, is an Error, all else a MethodError.
 */
export function patch(url: string, file: Blob, offset: number, gone: (octets: number) => void, begun?: (stop: () => void) => void): Promise<number> {
  return new Promise((resolve, reject) => {
    const x = new XMLHttpRequest();
    x.open("PATCH", url);
    x.setRequestHeader("X-CSRF-Token", first.csrf);
    for (const [name, value] of Object.entries({ ...version, "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" })) x.setRequestHeader(name, value);
    x.upload.onprogress = (e) => gone(offset + e.loaded);
    x.onload = () => {
      if (x.status === 401) sessionOver.value = true;
      if (x.status === 204) resolve(Number(x.getResponseHeader("Upload-Offset")));
      else if (x.status === 409) reject(new Error("offset")); // ask again where it stands
      else reject(new MethodError(String(x.status), { status: x.status, description: told(x.responseText) }));
    };
    x.onerror = x.onabort = () => reject(new Error("line"));
    begun?.(() => x.abort());
    x.send(file.slice(offset, offset + piece));
  });
}

function told(text: string): string | undefined {
  try {
    return JSON.parse(text).text;
  } catch {
    return undefined;
  }
}
