// Addresses as people type and paste them: `Anna Berg <anna@example.org>, bo@example.org; "Berg, Carl" <carl@example.org>`.

import type { Address } from "../core/mail";

/** Chip is an addressee in a field; bad says that it is no address. */
export interface Chip extends Address {
  bad?: boolean;
}

/** readAddresses reads a list. What is no address is in it, too, marked as bad. */
export function readAddresses(text: string): Chip[] {
  return split(text).map((one) => one.trim()).filter(Boolean).flatMap(readAddress);
}

/** split cuts at commas, semicolons and ends of lines that stand outside of quotes and angle brackets. */
function split(text: string): string[] {
  const parts: string[] = [];
  let part = "";
  let quoted = false;
  let angle = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (c === "\\" && quoted) part += c + (text[++i] ?? "");
    else if (!quoted && !angle && (c === "," || c === ";" || c === "\n" || c === "\r" || c === "\t")) {
      parts.push(part);
      part = "";
    } else {
      if (c === '"' && !angle) quoted = !quoted;
      else if (c === "<" && !quoted) angle = true;
      else if (c === ">" && !quoted) angle = false;
      part += c;
    }
  }
  // A quote that never ends, as in 5" disks, is none.
  return quoted && text.includes(",") && !parts.length ? text.replaceAll('"', "").split(/[,;\n\r\t]/) : [...parts, part];
}

function readAddress(text: string): Chip[] {
  const named = /^(.*?)\s*<\s*([^<>]*?)\s*>$/s.exec(text);
  if (named) return [chip(unquote(named[1]!), named[2]!)];
  if (isAddress(text)) return [chip("", text)];
  // Several with spaces between them.
  const words = text.split(/\s+/);
  if (words.length > 1 && words.every(isAddress)) return words.map((w) => chip("", w));
  return [{ name: null, email: text, bad: true }];
}

function unquote(name: string): string {
  const inside = /^"(.*)"$/s.exec(name.trim()) ?? /^'(.*)'$/s.exec(name.trim());
  return inside ? inside[1]!.replace(/\\(.)/gs, "$1").trim() : name.trim();
}

function chip(name: string, email: string): Chip {
  const address = email.replace(/^mailto:/i, "");
  return { name: name && name.toLowerCase() !== address.toLowerCase() ? name : null, email: address, ...(isAddress(address) ? {} : { bad: true }) };
}

/** isAddress is a first look; the server has the last word. */
export function isAddress(text: string): boolean {
  const at = text.lastIndexOf("@");
  const local = text.slice(0, at);
  const domain = text.slice(at + 1);
  if (at < 1 || text.length > 254 || local.length > 64 || /[\s<>()[\]\\,;:"]/.test(local) || local.startsWith(".") || local.endsWith(".") || local.includes("..")) return false;
  const labels = domain.replace(/\.$/, "").split(".");
  return labels.length > 1 && labels.every((l) => l.length > 0 && l.length < 64 && /^[\p{L}\p{N}](?:[\p{L}\p{N}\p{M}-]*[\p{L}\p{N}\p{M}])?$/u.test(l)) && !/^\d+$/.test(labels.at(-1)!);
}

/** written is an address as one would write it. */
export function written(a: Address): string {
  if (!a.name) return a.email;
  return `${/[^\p{L}\p{N}\s'-]/u.test(a.name) ? `"${a.name.replace(/(["\\])/g, "\\$1")}"` : a.name} <${a.email}>`;
}

/** domainOf is the domain of an address, in small letters. */
export const domainOf = (email: string): string => email.slice(email.lastIndexOf("@") + 1).toLowerCase();

/** big are domains that many people have an address at, and mistype. */
const big = ["gmail.com", "hotmail.com", "outlook.com", "live.com", "yahoo.com", "icloud.com", "me.com", "msn.com", "telia.com", "hotmail.se", "live.se", "spray.se",
  "bredband.net", "comhem.se", "online.no", "hotmail.no", "live.no", "yahoo.no", "outlook.dk", "protonmail.com", "proton.me", "gmx.de", "web.de"];

/** meant is the domain that was probably meant where one looks like a slip of the fingers; known are domains one writes to. */
export function meant(domain: string, known: Iterable<string>): string | undefined {
  const all = [...new Set([...known, ...big])];
  if (all.includes(domain)) return undefined;
  return all.find((d) => d.length > 4 && slip(domain, d));
}

/** slip tells whether two words differ by one letter: another, one more, one less, or two that changed places. */
export function slip(a: string, b: string): boolean {
  if (a === b || Math.abs(a.length - b.length) > 1) return false;
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  const restA = a.slice(i);
  const restB = b.slice(i);
  return restA.slice(1) === restB.slice(1) || restA.slice(1) === restB || restA === restB.slice(1) ||
    (restA.length > 1 && restA[0] === restB[1] && restA[1] === restB[0] && restA.slice(2) === restB.slice(2));
}
