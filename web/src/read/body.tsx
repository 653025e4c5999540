// The text of a message, in a frame without scripts. The page that is in it comes sanitised from the server, with a
// policy of its own that lets it load nothing.

import { useEffect, useRef, useState } from "preact/hooks";
import { lang, t } from "../core/text";

/** tallest bounds a frame: a message that makes itself longer scrolls inside of it. */
const tallest = 20_000;

const dark = matchMedia("(prefers-color-scheme: dark)");

export function Body({ id, images }: { id: string; images: boolean }) {
  const frame = useRef<HTMLIFrameElement>(null);
  const watch = useRef<ResizeObserver | null>(null);
  const [state, setState] = useState<"loading" | "there" | "failed">("loading");
  useEffect(() => () => watch.current?.disconnect(), []);

  const loaded = () => {
    const page = frame.current?.contentDocument;
    // A line that is down answers with a page of the browser's own, which cannot be looked into; a refusal with JSON.
    if (!page?.body || page.contentType !== "text/html") return setState("failed");
    setState("there");
    const fit = () => {
      const root = page.documentElement; // as tall as what is in it, where its scrollHeight is never less than the frame
      const bar = root.scrollWidth > root.clientWidth ? 16 : 0;
      frame.current!.style.height = `${Math.min(Math.max(root.offsetHeight, page.body.scrollHeight) + bar, tallest)}px`;
    };
    page.addEventListener("keydown", passOn);
    watch.current?.disconnect();
    watch.current = new ResizeObserver(fit);
    watch.current.observe(page.body);
    fit();
  };

  // The keys of the page work while the focus is in a message, too.
  const passOn = (e: KeyboardEvent) => {
    const { key, code, shiftKey, ctrlKey, metaKey, altKey } = e;
    const again = new KeyboardEvent("keydown", { key, code, shiftKey, ctrlKey, metaKey, altKey, bubbles: true, cancelable: true });
    if (!frame.current!.dispatchEvent(again)) e.preventDefault();
  };

  const theme = dark.matches ? "dark" : "light";
  return (
    <div class={`body-box ${state}`}>
      <iframe
        ref={frame}
        class="body"
        title={t("message_text")}
        src={`/m/${id}/body?theme=${theme}&lang=${lang}${images ? "&images=1" : ""}`}
        sandbox="allow-same-origin allow-popups allow-popups-to-escape-sandbox"
        onLoad={loaded}
      />
      {state === "failed" && <p class="body-failed">{t("read_failed")}</p>}
    </div>
  );
}
