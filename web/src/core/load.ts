import { first } from "./first";
import { lang, loadTexts } from "./text";

/** parts are what is loaded when it is needed, and whether it has words and a style sheet of its own (web/build/bundle.go). */
const parts: Record<string, { texts?: boolean; style?: boolean }> = {
  compose: { texts: true, style: true },
  outbox: { texts: true, style: true },
  settings: { texts: true, style: true },
  seldom: { texts: true, style: true },
  tour: { texts: true, style: true },
};

/** load fetches a part of the program that is not needed at the start: an entry of web/build/bundle.go. */
export async function load<T>(part: string): Promise<T> {
  const has = parts[part];
  const [module] = await Promise.all([
    import(`${first.base}${part}.js`) as Promise<T>,
    has?.texts && loadTexts(`${part}.${lang}`),
    has?.style && loadStyle(`${first.base}${part}.css`),
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
