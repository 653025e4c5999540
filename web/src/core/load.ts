// Parts of the program that are fetched when they are first needed.

import { useEffect, useState } from "preact/hooks";
import { first } from "./first";
import { lang, loadTexts } from "./text";

/** dressed are the parts that have words (text/LANGUAGE/PART.json) and a sheet (style/PART.css) of their own; worded those that have words. */
const dressed = ["compose", "outbox", "settings", "seldom", "tour"];
const worded = [...dressed, "offline"];

/** missing is what the window is told when a part is not there: the server may have another version by now (src/offline/version.ts). */
export const missing = "postiljon-missing";

/** load fetches a part of the program that is not needed at the start: an entry of web/build/bundle.go. */
export async function load<T>(part: string): Promise<T> {
  const [module] = await Promise.all([
    import(`${first.base}${part}.js`).catch((error) => {
      dispatchEvent(new Event(missing));
      throw error;
    }) as Promise<T>,
    worded.includes(part) && loadTexts(`${part}.${lang}`),
    dressed.includes(part) && loadStyle(`${first.base}${part}.css`),
  ]);
  return module;
}

const styles = new Map<string, Promise<void>>();

function loadStyle(href: string): Promise<void> {
  let loaded = styles.get(href);
  if (!loaded) {
    loaded = new Promise<void>((resolve, reject) => {
      const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href, onload: () => resolve(), onerror: reject });
      document.head.append(link);
    }).catch((error) => {
      styles.delete(href);
      throw error;
    });
    styles.set(href, loaded);
  }
  return loaded;
}

/** usePart is a part once it is there; it is fetched as soon as a component wants it. */
export function usePart<T>(name: string, wanted: boolean, failed: (error: unknown) => void): T | undefined {
  const [part, setPart] = useState<T>();
  useEffect(() => {
    if (wanted && !part) load<T>(name).then(setPart, failed);
  }, [wanted]);
  return part;
}
