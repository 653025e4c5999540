// The text of a message, in a frame without scripts. The page that is in it comes sanitised from the server, with a
// policy of its own that lets it load nothing.

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { compose, mailto } from "../compose/open";
import { t } from "../core/text";
import { Button } from "../ui/button";
import { dark, frameOf, takeReady, theme } from "./ready";

/** tallest bounds a frame: a message that makes itself longer scrolls inside of it. */
const tallest = 100_000;

type Movable = Element & { moveBefore(node: Node, before: Node | null): void };

/** Body shows a message; with images those of the web, too, else as the account wants it for the sender. */
export function Body({ id, images }: { id: string; images: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  const [state, setState] = useState<"loading" | "there" | "failed">("loading");
  const [attempt, setAttempt] = useState(0);

  useLayoutEffect(() => {
    const ready = images ? undefined : takeReady(id);
    const frame = ready ?? frameOf(id, images || undefined);
    frame.className = "body";
    frame.title = t("message_text");
    let watch: ResizeObserver | undefined;
    const loaded = () => {
      const page = frame.contentDocument;
      // A line that is down answers with a page of the browser's own, which cannot be looked into; a refusal with JSON.
      if (!page?.body || page.contentType !== "text/html") return setState("failed");
      setState("there");
      const fit = () => {
        const root = page.documentElement; // as tall as what is in it, where its scrollHeight is never less than the frame
        const bar = root.scrollWidth > root.clientWidth ? 16 : 0;
        const height = Math.max(root.offsetHeight, page.body.scrollHeight) + bar;
        if (height > tallest) page.body.style.overflowY = "auto";
        frame.style.height = `${Math.min(height, tallest)}px`;
      };
      page.addEventListener("keydown", (e) => passOn(frame, e));
      page.addEventListener("click", write);
      page.addEventListener("error", (e) => gone(e.target as Element), true);
      for (const i of [...page.images]) if (i.complete && !i.naturalWidth) gone(i);
      watch?.disconnect();
      watch = new ResizeObserver(fit);
      watch.observe(page.body);
      fit();
    };
    frame.addEventListener("load", loaded);
    if (ready) {
      (box.current as unknown as Movable).moveBefore(ready, null);
      if (ready.contentDocument?.readyState === "complete" && ready.contentDocument.URL !== "about:blank") loaded();
    } else box.current!.append(frame);
    const turn = () => void (frame.src = frame.getAttribute("src")!.replace(/theme=\w+/, theme()));
    dark.addEventListener("change", turn);
    return () => {
      dark.removeEventListener("change", turn);
      watch?.disconnect();
      frame.remove();
    };
  }, [id, images, attempt]);

  const again = () => {
    setState("loading");
    setAttempt(attempt + 1);
  };

  return (
    <div class={`body-box ${state}`} ref={box}>
      {state === "failed" && <p class="body-failed">{t("read_failed")} <Button onClick={again}>{t("try_again")}</Button></p>}
    </div>
  );
}

/** gone leaves of a picture that cannot be had its place and its words, as of one that nobody wanted. */
function gone(e: Element): void {
  if (!e.matches("img")) return;
  const { alt, width, height, ownerDocument } = e as HTMLImageElement;
  const place = Object.assign(ownerDocument.createElement("span"), { textContent: alt });
  place.dataset.remote = "";
  place.style.cssText = `display:inline-block;overflow:hidden;width:${width}px;height:${height}px`;
  e.replaceWith(place);
}

/** write opens a window to write in for a link that leads to an address. */
function write(e: MouseEvent): void {
  const link = (e.target as Element).closest<HTMLAnchorElement>("a[href^='mailto:']");
  if (!link) return;
  e.preventDefault();
  if (e.detail < 2) void compose(mailto(link.href)); // once, where it is clicked twice
}

/** passOn lets the keys of the page work while the focus is in a message, too. */
function passOn(frame: HTMLIFrameElement, e: KeyboardEvent): void {
  const { key, code, shiftKey, ctrlKey, metaKey, altKey } = e;
  const again = new KeyboardEvent("keydown", { key, code, shiftKey, ctrlKey, metaKey, altKey, bubbles: true, cancelable: true });
  if (!frame.dispatchEvent(again)) e.preventDefault();
}
