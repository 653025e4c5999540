// What is likely to be read next, made ready before it is opened: what is known of a message, and its text in a frame out of
// sight, which is moved to its place then. Pictures of the web are not among it: nobody may learn from them that a mouse came by.

import { lang } from "../core/text";
import { known, thread } from "../core/mail";
import { about, detail } from "./detail";

export const dark = matchMedia("(prefers-color-scheme: dark)");

/** theme is how addresses of messages tell whether the page is dark. */
export const theme = (): string => `theme=${dark.matches ? "dark" : "light"}`;

/** most is how many frames are kept. */
const most = 3;

/** movable tells whether a frame keeps its page when it is moved. */
const movable = "moveBefore" in Element.prototype;

const ready = new Map<string, HTMLIFrameElement>();

/** frameOf is a frame with the text of a message; with undefined for images as the account wants it for the sender. */
export function frameOf(id: string, images?: boolean): HTMLIFrameElement {
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "allow-same-origin allow-popups allow-popups-to-escape-sandbox"); // before it has an address
  frame.src = `/m/${id}/body?${theme()}&lang=${lang}${images === undefined ? "" : `&images=${Number(images)}`}`;
  return frame;
}

/** prepare makes a conversation ready: its newest message, which is open when it is. */
export function prepare(threadId: string): void {
  const id = thread(threadId).peek().at(-1);
  const host = document.getElementById("ready");
  if (!id || !host || !known(id) || known(id)!.keywords.$draft) return;
  detail(id);
  about(id);
  if (!movable || ready.get(id)?.isConnected) return;
  const frame = frameOf(id, false);
  ready.set(id, frame);
  host.append(frame);
  for (const [old, f] of ready) {
    if (ready.size <= most) break;
    f.remove();
    ready.delete(old);
  }
}

/** takeReady is the frame that was made ready for a message, if it is what the account wants. */
export function takeReady(id: string): HTMLIFrameElement | undefined {
  const frame = ready.get(id);
  ready.delete(id);
  const images = about(id).peek().value?.images;
  if (frame?.isConnected && frame.src.includes(theme()) && images && !(images.count > 0 && images.allowed)) return frame;
  frame?.remove();
  return undefined;
}
