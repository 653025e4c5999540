// Messages whose fields, names, charsets, files and calendars try what their text may not: each is opened in the webmail with all that
// can be looked at, while a server listens that must hear nothing. And what their files are is never left to a browser to guess.

import { createServer } from "node:http";
import { once } from "node:events";
import { anna, assert, base, flow, until } from "../flow.mjs";
import { jmap, place } from "../mail.mjs";

const heard = [];
const listener = createServer((request, response) => {
  heard.push(`${request.method} ${request.url}`);
  response.end();
}).listen(0, "127.0.0.1");
await once(listener, "listening");
const host = `127.0.0.1:${listener.address().port}`;

const run = `window.pwned=parent.pwned=1;new Image().src='http://${host}/js'`;
const tag = `<img src=x onerror="${run}">`;
const single = `<img src=x onerror=${run.replaceAll(" ", "&#32;")}>`; // without quotes
const word = (text) => `=?utf-8?b?${Buffer.from(text).toString("base64")}?=`;
const quoted = (text) => `"${text.replace(/[\\"]/g, "\\$&")}"`;
const long = (text, n) => Array.from({ length: n }, () => text);

/** mail is a message with some fields, each instead of the usual one. */
function mail(fields, body = "Text.\r\n") {
  const all = { From: "Eve <eve@elsewhere.test>", To: anna.address, Subject: "Fields", Date: "Sun, 22 Nov 2026 10:00:00 +0000", "MIME-Version": "1.0", "Content-Type": "text/plain; charset=utf-8", ...fields };
  return Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join("") + "\r\n" + body;
}

/** html is a message of HTML in some charset, in octets. */
const html = (charset, octets) => mail({ "Content-Type": `text/html; charset=${charset}`, "Content-Transfer-Encoding": "base64" }, Buffer.from(octets, "latin1").toString("base64") + "\r\n");

/** parts is a message of several. */
const parts = (kind, ...list) => mail({ "Content-Type": `multipart/${kind}; boundary=BOUND` }, list.map((p) => `--BOUND\r\n${p}\r\n`).join("") + "--BOUND--\r\n");
const file = (type, name, body, more = "") => `Content-Type: ${type}\r\nContent-Disposition: attachment; filename=${quoted(name)}\r\n${more}\r\n${body}`;
const text = (body) => `Content-Type: text/html\r\n\r\n${body}`;

const calendar = (...lines) => mail({ "Content-Type": "text/calendar; method=REQUEST; charset=utf-8" }, ["BEGIN:VCALENDAR", "METHOD:REQUEST", "BEGIN:VEVENT", ...lines, "END:VEVENT", "END:VCALENDAR", ""].join("\r\n"));

const svg = `<svg xmlns="http://www.w3.org/2000/svg" onload="${run}"><script>${run}</script><image href="http://${host}/svg.png"/></svg>`;
const page = `<!DOCTYPE html><script>${run}</script>${tag}`;

const messages = [
  // Names and addresses
  mail({ From: `${quoted(tag)} <eve@elsewhere.test>` }),
  mail({ From: `${word(`<script>${run}</script>`)} <eve@elsewhere.test>` }),
  mail({ From: `${word("a\r\nSubject: other\r\n\r\n" + tag)} <eve@elsewhere.test>` }),
  mail({ From: `${word("\u202eten.knab@eciffo\u202c\u2066x")} <eve@elsewhere.test>` }),
  mail({ From: `${word("e" + "\u0301\u0489".repeat(400))} <eve@elsewhere.test>` }),
  mail({ From: `<svg/onload=${run}>` }),
  mail({ From: `"${single.replace(/"/g, "")}"@elsewhere.test` }),
  mail({ From: `constructor <__proto__@elsewhere.test>`, "Reply-To": `javascript:${run}`, Sender: `${quoted(tag)} <hasOwnProperty@elsewhere.test>` }),
  mail({ From: "", To: "", Cc: `${quoted(tag)}:${long(`${quoted(single)} <eve@elsewhere.test>`, 3).join(", ")};` }),
  mail({ To: long(`${quoted(tag)} <eve@elsewhere.test>`, 40).join(",\r\n "), Cc: long(`${word(tag)} <x@elsewhere.test>`, 30).join(",\r\n ") }),
  // Subjects
  mail({ Subject: tag }),
  mail({ Subject: `</title></script></style><script>${run}</script>` }),
  mail({ Subject: word(`{name} {n:a|b} {{constructor.constructor('${run}')()}} $& $1 \${${run}} <%= 1 %>`) }),
  mail({ Subject: `javascript:${run}`, "Message-ID": `<${single.replace(/[<>]/g, "")}>`, References: `<${run}> ${tag}`, "In-Reply-To": tag }),
  mail({ Subject: word("\u2067\u202e\u0000\u001b[31m\ufeff" + "W".repeat(8000)) }),
  mail({ Subject: long(word("\ud83d\udca5".repeat(10)), 40).join("\r\n ") }),
  // Other fields that are read
  mail({ "List-Unsubscribe": `<javascript:${run}>, <data:text/html,${encodeURIComponent(page)}>, <vbscript:x>, <file:///etc/passwd>`, "List-Unsubscribe-Post": "List-Unsubscribe=One-Click" }),
  mail({ "List-Unsubscribe": `<JaVaScRiPt:${run}>,<\tjavascript:${run}>,<//${host}/unsub>` }),
  mail({ "List-Unsubscribe": `<mailto:${encodeURIComponent(tag)}@elsewhere.test?subject=${encodeURIComponent(tag)}&body=${encodeURIComponent(tag)}&attach=/etc/passwd&bcc=eve@elsewhere.test>` }),
  mail({ "List-Id": `${tag} <${single}>`, "List-Post": `<javascript:${run}>`, "List-Help": `<http://${host}/help>`, "Content-Location": `http://${host}/`, "Content-Base": `http://${host}/` }),
  mail({ Received: `from ${single} (${tag}) by localhost with ESMTP id <b>; garbage`, "Authentication-Results": `localhost; dmarc=pass header.from=${single}; dkim=pass header.d=${single}`, "Return-Path": `<${single}>` }),
  mail({ Date: `${tag}`, "X-Face": tag, Face: tag, "Disposition-Notification-To": tag, "BIMI-Indicator": Buffer.from(svg).toString("base64"), [`X-<b onclick=${run}>`]: tag }),
  mail({ Date: "Sat, 31 Dec 275761 23:59:59 +9999" }),
  // Charsets that hide what is written
  html("utf-7", `+ADw-script+AD4-${run}+ADw-/script+AD4-+ADw-img src=x onerror=+ACI-${run}+ACI-+AD4-`),
  html("iso-2022-jp", `<p title="\x1b$@" lang="\x1b(B" onmouseover="${run}">x</p><img alt="\x1b(J\\" src=x onerror=${run}//">`),
  html("hz-gb-2312", `<p title="~{" lang="~}" onmouseover="${run}">x</p>~{<img src=x onerror=${run}>~}`),
  html("shift_jis", `<p title="\x81" onmouseover=${run}//" lang="\x82">x</p><img alt="\x83\x5c" src=x onerror="${run}">`),
  html("gb18030", `<p title="\x81" onmouseover=${run}//">x</p><a href="\x84\x31java\x84script:${run}">x</a>`),
  html("x-user-defined", `\xbcscript\xbe${run}\xbc/script\xbe\xbcimg src=x onerror=${run}\xbe`),
  html("utf-16le", [...page].map((c) => `${c}\0`).join("")),
  html("utf-32", [...page].map((c) => `\0\0\0${c}`).join("")),
  html("utf-8", `\xc0\xbcscript\xc0\xbe${run}\xc0\xbc/script\xc0\xbe\xe0\x80\xbcimg src=x onerror=${run}\xe0\x80\xbe<p title="\xc3">" onmouseover="${run}">`),
  html(`"utf-8\\"><script>${run}</script>"`, tag),
  html('""', `\xef\xbb\xbf<meta charset=utf-7>+ADw-script+AD4-${run}+ADw-/script+AD4-`),
  mail({ "Content-Type": "text/enriched" }, `<bold><x-html>${tag}</x-html><param>${tag}</param></bold>`),
  mail({ "Content-Type": "text/plain; format=flowed; delsp=yes" }, `<scr \r\nipt>${run}</scr \r\nipt>\r\nhttps://example.org/"onmouseover="${run}" \r\nmailto:a@example.org?x="><img/src=x> javascript:${run} data:text/html,x www."><b>.example\r\n`),
  // Parts
  parts("related", text(`<img src="cid:s@x"><iframe src="cid:h@x"></iframe><object data="cid:h@x"></object><img src="cid:&quot;><script>${run}</script>@x">`),
    `Content-Type: image/svg+xml\r\nContent-ID: <s@x>\r\n\r\n${svg}`, `Content-Type: text/html\r\nContent-ID: <h@x>\r\n\r\n${page}`, `Content-Type: image/png\r\nContent-ID: <"><script>${run}</script>@x>\r\n\r\n${page}`),
  parts("mixed", text("<p>first</p>"), `Content-Type: text/html\r\nContent-Disposition: inline; filename=${quoted(`${tag}.html`)}\r\n\r\n${page}`, `Content-Type: application/xhtml+xml\r\nContent-Disposition: inline\r\n\r\n${page}`),
  parts("x-mixed-replace", text(page), text(page)),
  parts("alternative", `Content-Type: text/x-amp-html\r\n\r\n<html amp4email><amp-img src="http://${host}/amp.png"></amp-img><script async src="http://${host}/amp.js"></script>`, text(page)),
  parts("mixed", `Content-Type: message/external-body; access-type=URL; URL="http://${host}/body.html"\r\n\r\nContent-Type: text/html\r\n\r\n`, text("<p>x</p>")),
  parts("mixed", text("<p>See.</p>"), `Content-Type: message/rfc822; name=${quoted(tag)}\r\nContent-Disposition: attachment\r\n\r\nFrom: ${quoted(tag)} <eve@elsewhere.test>\r\nTo: ${word(tag)} <x@elsewhere.test>\r\nSubject: ${tag}\r\n` +
    `Content-Type: multipart/mixed; boundary=IN\r\n\r\n--IN\r\nContent-Type: text/html\r\n\r\n${page}<img src="http://${host}/inner.png">\r\n--IN\r\n${file("text/html", `${tag}.html`, page)}\r\n--IN--`),
  parts("report; report-type=delivery-status", `Content-Type: text/plain\r\n\r\n${tag}`, `Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; ${single}\r\n\r\nFinal-Recipient: rfc822; ${single}\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 ${tag}`).replace("Eve <eve@", `${quoted(tag)} <mailer-daemon@`),
  // Files: what they are called, and what they are
  parts("mixed", text("<p>Names</p>"), ...[`${tag}.png`, "..\\..\\..\\evil.exe", "../../etc/passwd", "photo\u202egnp.exe", "invoice.pdf.exe", "invoice.pdf                                        .scr", "con.txt", ".htaccess", "a%00.png", "a\u0000.png", "x\";filename=\"y.html",
    `${"n".repeat(600)}.txt`, "index.html#.png", "?download=0", "{name}", "\u2066\u2069", "a\r\nSet-Cookie: x=y"].map((name) => file("application/octet-stream", word(name), "x"))),
  parts("mixed", text("<p>Kinds</p>"), file("text/html", "page.html", page), file("image/svg+xml", "picture.svg", svg), file("application/xhtml+xml", "page.xhtml", page), file("text/xml", "style.xml", `<?xml-stylesheet href="http://${host}/x.xsl" type="text/xsl"?><x/>`),
    file("image/png", "picture.png", page), file("image/gif", "both.gif", `GIF89a/*<svg onload="${run}">*/=1;<script>${run}</script>`), file("application/pdf", "paper.pdf", page), file("application/pdf", "script.pdf", `%PDF-1.4\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj\n${page}`),
    file("text/javascript", "code.js", run), file("text/css", "sheet.css", `@import "http://${host}/s.css"`), file("application/json", "data.json", `{"a":"${tag.replaceAll('"', "'")}"}`), file("multipart/related", "web.mhtml", page), file("text/plain", "plain.html", page),
    file("application/x-shockwave-flash", "old.swf", "FWS"), file("application/wasm", "code.wasm", "wasm"), file("text/cache-manifest", "a.appcache", `CACHE MANIFEST\n/ http://${host}/`)),
  parts("mixed", text("<p>Card</p>"), file("text/vcard", "eve.vcf", `BEGIN:VCARD\r\nVERSION:4.0\r\nFN:${tag}\r\nPHOTO:http://${host}/photo.png\r\nURL:javascript:${run}\r\nEND:VCARD`), file("text/csv", "sums.csv", `=cmd|'/C calc'!A0,${tag}`), file("text/markdown", "read.md", `[x](javascript:${run}) ![y](http://${host}/md.png) ${tag}`)),
  // Calendars
  calendar(`SUMMARY:${tag}`, `LOCATION:${tag}`, `ORGANIZER;CN=${quoted(single)}:mailto:eve@elsewhere.test`, "DTSTART:20261126T130000Z", `URL:javascript:${run}`, `ATTACH:http://${host}/attach`, `IMAGE;VALUE=URI:http://${host}/image.png`),
  calendar("SUMMARY:x", "DTSTART;TZID=../../../../etc/passwd:20261126T130000", "DTEND;TZID=<b>:99999999T999999", `RRULE:FREQ=${tag}`, `DESCRIPTION:${"x".repeat(20_000)}`),
  calendar(`ORGANIZER:javascript:${run}`, "DTSTART;VALUE=DATE:99991231", "DTEND;VALUE=DATE:00010101", ...long("BEGIN:VALARM", 50), `ATTACH;FMTTYPE=audio/basic:http://${host}/alarm.wav`),
  calendar(`DTSTART;TZID=${quoted(tag)}:20261126T130000`, `DTEND:${"9".repeat(400)}`, `RRULE:FREQ=SECONDLY;INTERVAL=0`, ...long("ATTENDEE;PARTSTAT=ACCEPTED:mailto:x@elsewhere.test", 500)),
];

await flow(async ({ person }) => {
  const ids = await place(anna, messages);
  const page = await person(anna, { expect: ["/preview/"] }); // of what is no picture
  const surprises = [];
  page.context().on("request", (r) => r.url().startsWith(base) || /^(?:data|blob):/.test(r.url()) || surprises.push(`a request of ${r.url()}`));
  page.context().on("page", (opened) => surprises.push(`a window of ${opened.url()}`));
  page.on("dialog", (dialog) => (surprises.push(`a dialog: ${dialog.message()}`), void dialog.dismiss()));
  page.on("download", (download) => surprises.push(`a download of ${download.url()}`));
  await jmap(page, ["Mailbox/set", { create: { f: { name: `${tag.slice(0, 150)}` }, g: { name: "\u202egnol{n}" } } }]);

  const { list } = (await jmap(page, ["Email/get", { ids, properties: ["threadId", "attachments"], bodyProperties: ["partId", "type", "name"] }]))[0];
  for (const [n, id] of ids.entries()) {
    const e = list.find((x) => x.id === id);
    await page.evaluate((thread) => {
      history.pushState({}, "", `/mail/inbox/${thread}`);
      dispatchEvent(new PopStateEvent("popstate"));
    }, e.threadId);
    await until(page, (id) => document.querySelector(`iframe.body[src^="/m/${id}/body"]`)?.contentDocument?.querySelector("meta[name=postiljon-message]"), id);
    await page.locator(".message-who summary").first().click();
    await looked(page, `message ${n}`);
  }

  // What looks behind one: the fields of those with fields, files in place.
  for (const [n, id] of [...ids.entries()].filter(([n]) => /^X-<b|mailer-daemon|name="<img|eve\.vcf|page\.html/m.test(messages[n]))) {
    const e = list.find((x) => x.id === id);
    await page.goto(`${base}/mail/inbox/${e.threadId}`);
    await page.getByRole("button", { name: "More", exact: true }).last().click();
    await page.getByRole("menuitem", { name: "How it came here" }).click();
    await page.getByRole("dialog").locator("dt").first().waitFor();
    await looked(page, `the fields of message ${n}`);
    await page.keyboard.press("Escape");
    for (const link of await page.locator('.attachment a[aria-haspopup="dialog"]').all()) {
      await link.click();
      await until(page, () => document.querySelector("dialog iframe")?.contentDocument?.querySelector("meta[name=postiljon-message]"));
      await looked(page, `a file of message ${n}`);
      await page.keyboard.press("Escape");
    }
  }

  // Files, as they are asked for by a page, to be seen or by their address alone.
  for (const e of list) {
    for (const part of e.attachments) {
      for (const query of ["", "?view=1", "?download=1"]) {
        const address = `/m/${e.id}/part/${part.partId}/x${query}`;
        const { status, type, policy, sniff, disposition } = await page.evaluate(async (address) => {
          const r = await fetch(address);
          const h = (name) => r.headers.get(name) ?? "";
          return { status: r.status, type: h("content-type"), policy: h("content-security-policy"), sniff: h("x-content-type-options"), disposition: h("content-disposition") };
        }, address);
        const what = `${address} ${part.type} ${part.name}: ${type}, ${disposition}`;
        assert.equal(status, 200, what);
        assert.equal(sniff, "nosniff", what);
        assert.match(policy, /^default-src 'none'; sandbox;/, what);
        assert.match(type, /^(?:application\/octet-stream|image\/gif|application\/pdf)$/, what);
        assert.match(disposition, type === "application/octet-stream" ? /^attachment; filename="/ : /^(?:inline|attachment); filename="/, what);
        const named = decodeURIComponent(/filename\*=UTF-8''(.*)$/.exec(disposition)?.[1] ?? /filename="(.*)"$/.exec(disposition)[1]);
        assert.doesNotMatch(named, /[\p{Cc}\p{Cf}/\\:*?"<>|]|^\.|[. ]$|^con\./u, what);
        assert.ok(named.length > 0 && Buffer.byteLength(named) <= 160, what);
      }
    }
  }
  assert.deepEqual([heard, surprises], [[], []], "what the server heard, and what else happened");

  /** looked fails if something ran, or stands in the page that is not the program's. */
  async function looked(page, what) {
    const odd = await page.evaluate(() => [window.pwned && "a script ran", ...[...document.querySelectorAll("img[src=x], [onerror], [onload], svg[onload], b[onclick], a[href^='javascript' i], a[href^='data' i], a[href^='vbscript' i], a[href^='file' i], iframe:not([sandbox])")].map((e) => e.outerHTML),
      ...[...document.querySelectorAll("iframe")].flatMap((f) => [...f.contentDocument?.querySelectorAll("script, iframe, object, embed, form, svg, math, link, base, meta[http-equiv], [onerror], [onload], [onmouseover]") ?? []].map((e) => e.outerHTML))].filter(Boolean));
    assert.deepEqual(odd, [], what);
    assert.deepEqual([heard, surprises], [[], []], what);
  }
});
listener.close();
