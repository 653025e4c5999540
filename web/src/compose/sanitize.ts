// HTML made anew from what is harmless: elements and attributes that are named here are built again, one by one, and nothing else
// is. What a parser makes of markup that is meant to be read in two ways (mXSS) is therefore no matter. The server does the same
// with what it shows (internal/web/sanitize).

const words = (list: string): ReadonlySet<string> => new Set(list.split(" "));

/** elements are what text is made of, and pictures. What is in any other is kept without it. */
const elements = words("a abbr acronym address article aside b bdi bdo big blockquote br caption center cite code col colgroup data dd del dfn dir div dl dt em figcaption figure font " +
  "footer h1 h2 h3 h4 h5 h6 header hgroup hr i img ins kbd li main mark menu ol p pre q rp rt ruby s samp section small span strike strong sub sup table tbody td tfoot th thead time tr tt u ul var wbr");

/** whole are elements of which nothing is kept. SVG, MathML and what else is no HTML goes whole, too. */
const whole = words("applet audio canvas frameset head iframe math noembed noframes noscript object plaintext script select style svg template textarea title video xmp");

const attributes = words("abbr align alt bgcolor border cellpadding cellspacing class clear color colspan compact data-src data-style datetime dir face headers height href id lang " +
  "noshade nowrap reversed rowspan rules scope size span start summary title translate type valign value width");

/** addresses are what a link may lead to; controls and spaces are what browsers leave out when they read one. */
const addresses = /^(?:(?:https?|mailto|tel):|[^a-z]|[a-z+.-]+(?:[^a-z+.:-]|$))/i; // or no address at all
const controls = /[\u0000-\u0020\u00a0\u1680\u180e\u2000-\u2029\u205f\u3000]/g;

interface Policy {
  createHTML(html: string): string;
}

/** parsing lets markup be parsed where nothing is loaded and no script runs; nothing of that leaves it. */
const parsing: Policy = (globalThis as { trustedTypes?: { createPolicy(name: string, policy: Policy): Policy } }).trustedTypes?.createPolicy("sanitizer", { createHTML: (html: string) => html }) ?? { createHTML: (html) => html };

/** sanitize is markup as nodes that are harmless, of this document. */
export function sanitize(html: string): DocumentFragment {
  const made = document.createDocumentFragment();
  const parsed = document.createElement("template"); // whose content has no names, and is not of this document
  parsed.innerHTML = parsing.createHTML(html);
  copy(parsed.content, made);
  return made;
}

/** childNodes are read past the element: a form answers with a field of its own that is called so. */
const childNodes = Object.getOwnPropertyDescriptor(Node.prototype, "childNodes")!.get!;

function copy(from: Node, into: Node): void {
  for (const node of childNodes.call(from) as NodeListOf<Node>) {
    if (node.nodeType === Node.TEXT_NODE) into.appendChild(document.createTextNode(node.nodeValue!));
    if (!(node instanceof HTMLElement) || whole.has(node.localName)) continue;
    if (!elements.has(node.localName)) {
      copy(node, into);
      continue;
    }
    const e = document.createElement(node.localName);
    for (const { name, value } of node.attributes) {
      if (attributes.has(name) && (name !== "href" || addresses.test(value.replace(controls, "")))) e.setAttribute(name, value);
    }
    copy(node, e);
    into.appendChild(e);
  }
}
