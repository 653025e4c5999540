// HTML of messages, here where they are written: only what a sanitiser let through gets into the page.

import { sanitize } from "./sanitize";

/** styles are the properties that text is made of; values lists what none of them may have. */
const styles = /^(?:color|background-color|font(?:-family|-size|-style|-weight|-variant[a-z-]*)?|text-(?:align|decoration[a-z-]*|indent|transform)|line-height|letter-spacing|word-spacing|white-space[a-z-]*|vertical-align|direction|unicode-bidi|list-style-(?:type|position)|(?:margin|padding)(?:-[a-z-]+)?|border(?:-(?:top|right|bottom|left|inline|block)(?:-(?:start|end))?)?(?:-(?:color|style|width))?|border-[a-z-]*radius|border-(?:collapse|spacing)|(?:max-|min-)?width|(?:max-)?height|display|float|clear|table-layout|caption-side)$/;
const values = /[(](?!\s*[\d.]+%?[\s,])|\\|contents|fixed/i;

/** sources are what a picture may be: of the message, of this page, or elsewhere. */
const sources = /^(?:(?:cid|https?|blob):|data:image\/(?:png|jpe?g|gif|webp);base64,[a-z0-9+/=\s]*$)/i;

/**
 * fragment is HTML as nodes that are harmless. The policy of the page takes no styles from markup and pictures from nowhere
 * else: styles are set through the object model, and pictures have their address in data-src until somebody shows them.
 */
export function fragment(html: string): DocumentFragment {
  let css = "";
  const aside = html.replace(/<style[^>]*>([\s\S]*?)(?:<\/style\s*>|$)/gi, (_, text: string) => {
    css += `${text}\n`;
    return "";
  }).replace(/<[a-z][^<>]*>/gi, (tag) => tag.replace(/([\s"'/])(style|src|on\w+)(?=\s*=)/gi, "$1data-$2"));
  const nodes = sanitize(aside);
  for (const e of nodes.querySelectorAll<HTMLElement>("[data-src]")) if (e.nodeName !== "IMG" || !sources.test(e.dataset.src!)) delete e.dataset.src;
  if (css) inline(nodes, css.slice(0, mostCSS));
  for (const e of nodes.querySelectorAll("[class], [id]")) {
    e.removeAttribute("class");
    e.removeAttribute("id");
  }
  restyle(nodes);
  return nodes;
}

/** Bounds of style sheets that are inlined: characters, and rules. */
const mostCSS = 200_000;
const mostRules = 2000;

/**
 * inline writes what the style sheets of a message say to each element, below what it says itself, as data-style, where it
 * waits for restyle as that does. The sheet is read by the browser, belongs to no document and so fetches nothing.
 */
function inline(nodes: DocumentFragment, css: string): void {
  const sheet = new CSSStyleSheet();
  try {
    sheet.replaceSync(css.replace(/<!--|-->/g, ""));
  } catch {
    return;
  }
  const found = new Map<HTMLElement, [weight: number, text: string][]>();
  const rules = [...sheet.cssRules].flatMap((r) => (r instanceof CSSMediaRule && /^(all|screen|only screen)$/.test(r.conditionText) ? [...r.cssRules] : [r])).slice(0, mostRules);
  for (const r of rules) {
    if (!(r instanceof CSSStyleRule)) continue;
    for (const selector of r.selectorText.split(/,(?![^(]*\))/)) {
      if (selector.includes("::")) continue;
      for (const e of nodes.querySelectorAll<HTMLElement>(selector)) found.set(e, [...(found.get(e) ?? []), [weigh(selector), r.style.cssText]]);
    }
  }
  for (const [e, list] of found) e.dataset.style = [...list.sort((a, b) => a[0] - b[0]).map(([, text]) => text), e.dataset.style ?? ""].join(";");
}

/** weigh is how specific a selector is: ids before classes before names. */
const weigh = (selector: string): number => [/#[\w-]/g, /[.:[][\w-]/g, /(^|[\s>+~])[a-z]/gi].reduce((sum, pattern) => sum * 1000 + (selector.match(pattern)?.length ?? 0), 0);

/** restyle applies the styles that wait in data-style, as far as they are of those that text is made of. */
export function restyle(nodes: ParentNode): void {
  for (const e of nodes.querySelectorAll<HTMLElement>("[data-style]")) {
    // It is read by the browser itself, in a document where nothing is fetched, so that no way of writing it hides what it is.
    const read = inert.createElement("i").style;
    read.cssText = e.dataset.style!;
    delete e.dataset.style;
    for (const name of read) {
      const value = read.getPropertyValue(name);
      if (styles.test(name) && !values.test(value)) e.style.setProperty(name, value);
    }
  }
}

const inert = document.implementation.createHTMLDocument("");

/** markup is a fragment as text. */
export function markup(nodes: Node): string {
  const box = inert.createElement("div");
  box.append(inert.importNode(nodes, true));
  for (const img of box.querySelectorAll<HTMLElement>("img[data-src]")) {
    img.setAttribute("src", img.dataset.src!);
    delete img.dataset.src;
  }
  return box.innerHTML;
}

/** escape is text as HTML, with its lines. */
export function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/** paragraphs is plain text as the editor has it: a block for each line. */
export function paragraphs(text: string): string {
  return text.split("\n").map((line) => `<div>${escape(line).replace(/ (?= )/g, "&nbsp;") || "<br>"}</div>`).join("");
}

const blocks = new Set(["DIV", "P", "LI", "UL", "OL", "BLOCKQUOTE", "PRE", "H1", "H2", "H3", "H4", "H5", "H6", "TABLE", "TR", "HR", "SECTION", "ARTICLE", "HEADER", "FOOTER", "ADDRESS", "CENTER", "DL", "DT", "DD"]);

/** plain is HTML as plain text: lists with their marks, quotes with ">", links with their address. */
export function plain(root: Node): string {
  const lines: string[] = [];
  let line = "";
  let filled = false; // whether the line has been begun
  const end = () => {
    if (filled) lines.push(line.replace(/[ \t]+$/, ""));
    line = "";
    filled = false;
  };
  const add = (text: string) => {
    line += text;
    filled = true;
  };
  const walk = (node: Node, pre: boolean) => {
    if (node.nodeType === Node.TEXT_NODE) {
      const text = (node.nodeValue ?? "").replace(/\u200b/g, "");
      if (pre) text.split("\n").forEach((part, i) => (i ? (add(""), end(), add(part)) : add(part)));
      else {
        const folded = text.replace(/[ \t\r\n]+/g, " ");
        const visible = !filled || line.endsWith(" ") ? folded.replace(/^ /, "") : folded;
        if (visible) add(visible.replaceAll("\u00a0", " "));
      }
      return;
    }
    if (!(node instanceof Element) && node.nodeType !== Node.DOCUMENT_FRAGMENT_NODE) return;
    const e = node as HTMLElement;
    const name = e.nodeName;
    const inside = () => node.childNodes.forEach((c) => walk(c, pre || name === "PRE"));
    if (name === "BR") {
      add("");
      end();
    } else if (name === "HR") {
      end();
      lines.push("-----");
    } else if (name === "IMG") {
      const alt = e.getAttribute("alt");
      if (alt) add(`[${alt}]`);
    } else if (name === "BLOCKQUOTE") {
      end();
      const quoted = plain(fragmentOf(e));
      for (const l of quoted.split("\n")) lines.push(l.startsWith(">") ? `>${l}` : l ? `> ${l}` : ">");
    } else if (name === "LI") {
      end();
      const list = e.parentElement;
      add(list?.nodeName === "OL" ? `${[...list.children].indexOf(e) + 1}. ` : "- ");
      inside();
      end();
    } else if (name === "A") {
      inside();
      const href = e.getAttribute("href") ?? "";
      const shown = e.textContent?.trim() ?? "";
      if (/^https?:/i.test(href) && href.replace(/\/$/, "") !== shown.replace(/\/$/, "")) add(` <${href}>`);
    } else if (name === "TD" || name === "TH") {
      inside();
      add(" ");
    } else if (blocks.has(name)) {
      end();
      inside();
      end();
      if (name === "P") lines.push("");
    } else inside();
  };
  walk(root, false);
  end();
  return lines.join("\n").replace(/\n{3,}/g, "\n\n").replace(/\n+$/, "");
}

/** fragmentOf is what is inside an element, copied. */
function fragmentOf(e: Element): DocumentFragment {
  const f = document.createDocumentFragment();
  for (const c of e.childNodes) f.append(c.cloneNode(true));
  return f;
}

/** quoted is plain text with marks of a quote. */
export const quoted = (text: string): string => text.replace(/\n+$/, "").split("\n").map((l) => (l.startsWith(">") ? `>${l}` : l ? `> ${l}` : ">")).join("\n");
