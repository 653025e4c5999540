// A new version of the program while windows of the old one are open: they go on with the files of the old one, which the
// worker keeps, until somebody loads the page again.

import { first } from "../core/first";
import { online, send } from "../core/jmap";
import { missing } from "../core/load";
import { onChange } from "../core/mail";
import { t } from "../core/text";
import { toast } from "../ui/toast";

/** often is how often it is looked for while nothing happens, in milliseconds. */
const often = 6 * 3600e3;

/** seldom is how long it is not looked for again while mail changes, in milliseconds: a browser may have joined its stream anew without a word. */
const seldom = 5 * 60e3;

/** followVersion tells once that there is another: a server that was away may have come back as a new one. */
export function followVersion(): void {
  let away = false;
  let told = false;
  const look = async () => {
    if (told || !online.peek()) return;
    const there = (await send("/mail/", { method: "HEAD" })).headers.get("X-Postiljon-Shell");
    if (!there || there === first.version || told) return;
    told = true;
    toast(t("new_version"), { action: t("load_again"), run: () => location.reload(), stay: 0 });
  };
  online.subscribe((there) => {
    if (there && away) void look().catch(() => {});
    away = !there;
  });
  let last = Date.now();
  onChange(() => {
    if (Date.now() - last < seldom) return;
    last = Date.now();
    void look().catch(() => {});
  });
  addEventListener(missing, () => void look().catch(() => {}));
  setInterval(() => void look().catch(() => {}), often);
}
