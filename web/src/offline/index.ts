// Mail without a line: the newest messages are kept on this device, calls that read are answered from them, and what is done
// with them waits for the line. What is kept is taken away when somebody signs out.

import { first } from "../core/first";
import { online } from "../core/jmap";
import { caughtUp, keep, known, onChange, tellFollowers, type Email, type Mailbox } from "../core/mail";
import { setStandIn } from "../core/standin";
import { badge } from "../push/badge";
import { confirmed, forgetOther, renew as renewPush } from "../push/push";
import { listen } from "../push/sound";
import { answer } from "./answers";
import { dropOthers, open, type Kept } from "./database";
import { keepNewest } from "./keeping";
import { Later } from "./later";
import { followVersion } from "./version";
import { withdrawRead } from "./withdraw";

/** start lets the kept mail stand in, and keeps what is new, while nothing else is to do. */
export async function start(): Promise<void> {
  badge();
  listen();
  followVersion();
  await ofNobodyElse().catch(() => {});
  confirmed();
  withdrawRead();
  renewPush().catch(() => {}); // the settings say so when somebody looks
  const database = await open(first.account.id); // a browser that keeps nothing has no more to do; the self-check says so
  const later = new Later(database, first.account.id);
  setStandIn({ answer: (calls) => answer(database, later, calls), holds: (one) => later.holds(one) });
  online.subscribe((there) => there || caughtUp || void showKept(database).catch(() => {}));
  await later.begin();
  const renew = whenOver(() => keepNewest(database));
  onChange(() => setTimeout(renew, 1000));
  online.subscribe((there) => there && renew());
}

/** showKept shows what was kept last in a page that is older than that: it came from the worker, as there is no line. */
async function showKept(database: Kept): Promise<void> {
  for (const { id } of [first.account, ...first.sharers]) {
    const list = await database.get<Mailbox[]>("state", `mailboxes-${id}`);
    if (list) keep([["Mailbox/get", { accountId: id, list }, ""]]);
  }
  const shown = (await database.all<Email>("emails")).filter((e) => known(e.id));
  keep([["Email/get", { list: shown, notFound: [], state: "" }, ""]]);
  tellFollowers();
}

/** again is how long after one run the next begins, in milliseconds. */
const again = 5000;

/** whenOver runs some work, and once more after it where it was asked for meanwhile. */
function whenOver(work: () => Promise<void>): () => void {
  let running = false;
  let wanted = false;
  return function run() {
    if (running) return void (wanted = true);
    running = true;
    void work().catch(() => {}).finally(() => {
      running = false;
      if (wanted) setTimeout(run, again);
      wanted = false;
    });
  };
}

/** ofNobodyElse drops what is left of another account, whose session ended without anybody signing out. */
async function ofNobodyElse(): Promise<void> {
  const whose = "postiljon.bodies";
  const last = localStorage.getItem(whose);
  if (last === first.account.id) return;
  localStorage.setItem(whose, first.account.id);
  await caches.delete("bodies"); // their addresses are the same
  if (last !== null) await forgetOther();
  await dropOthers(first.account.id);
}
