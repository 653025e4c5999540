// Writing: the windows that are open, and what was left in the browser by ones that were closed without a line.

import { signal } from "@preact/signals";
import { render } from "preact";
import { roleMailbox, say } from "../core/actions";
import { call, type MethodError } from "../core/jmap";
import { kept } from "../core/kept";
import { t } from "../core/text";
import { toast } from "../ui/toast";
import { beginDraft } from "./begin";
import { needIdentities } from "./identity";
import { needLibraries } from "./libraries";
import { Draft, type Kept } from "./model";
import type { Compose } from "./open";
import { send } from "./send";
import { Window, type Size } from "./window";

interface Open {
  draft: Draft;
  stand: Size;
  refused?: MethodError;
  /** before had the focus when it was opened, and gets it back. */
  before: HTMLElement | null;
}

const open_ = signal<Open[]>([]);

/** behind are drafts whose windows were closed while they, or their files, were on their way: those go on. */
const behind = new Set<Draft>();

/** most is how many windows are open at once. */
const most = 8;

/** open opens a window. A draft that has one already gets to the front instead. */
export async function open(options: Compose): Promise<void> {
  if (options.kind === "draft" && options.emailId) {
    const there = open_.peek().find((o) => o.draft.emailId === options.emailId);
    if (there) return stand(there.draft, "open");
    const going = [...behind].find((d) => d.emailId === options.emailId);
    if (going) return back(going);
    const left = (await kept<Kept>("drafts").catch(() => [])).find((r) => r.emailId === options.emailId);
    if (left) return restore(left);
  }
  if (open_.peek().length >= most) return void toast(t("compose_too_many"), { kind: "error" });
  const there = needLibraries();
  there.catch(() => {}); // awaited where a draft begins
  const draft = await beginDraft(options, there);
  show(draft);
}

/** restore opens what the browser kept of a draft. */
export async function restore(record: Kept): Promise<void> {
  if (open_.peek().some((o) => o.draft.key === record.id)) return;
  await Promise.all([needIdentities(), needLibraries()]);
  const draft = new Draft(record.id);
  draft.restore(record);
  show(draft);
  draft.touch();
}

/** restoreAll opens what was typed and is not at the server yet. */
export async function restoreAll(ids: string[]): Promise<void> {
  for (const r of await kept<Kept>("drafts")) if (ids.includes(r.id)) await restore(r);
}

function show(draft: Draft, refused?: MethodError): void {
  draft.begin();
  open_.value = fitting([...open_.peek(), { draft, stand: "open", refused, before: document.activeElement as HTMLElement | null }], draft);
}

/** fitting makes windows small for which there is no room beside the one in front, the oldest first. */
function fitting(all: Open[], front: Draft): Open[] {
  let room = innerWidth / 16 - 39 - 20.75 * (all.length - 1); // in rem, where all the others are small
  return [...all].reverse().map((o): Open => (o.draft === front || (o.stand !== "small" && (room -= 17) >= 0) ? o : { ...o, stand: "small" })).reverse();
}

function stand(draft: Draft, to: Size): void {
  const all = open_.peek().map((o) => (o.draft === draft ? { ...o, stand: to } : to === "large" && o.stand === "large" ? { ...o, stand: "open" as const } : o));
  open_.value = to === "open" ? fitting(all, draft) : all;
}

function drop(draft: Draft): void {
  const before = open_.peek().find((o) => o.draft === draft)?.before;
  if (before?.isConnected && host.contains(document.activeElement)) before.focus();
  open_.value = open_.peek().filter((o) => o.draft !== draft);
}

/** reopen shows a draft again that was about to be sent. */
function reopen(draft: Draft, refused?: MethodError): void {
  draft.reopen();
  if (refused?.type === "blobNotFound") draft.again(refused.detail.notFound ?? []);
  show(draft, refused);
  draft.touch();
}

async function close(draft: Draft): Promise<void> {
  if (behind.has(draft)) return;
  draft.read();
  behind.add(draft); // found there by who opens it again before it is saved
  await draft.keep();
  drop(draft);
  if (!draft.isUntouched()) await draft.settled();
  if (draft.isUntouched() || draft.isEmpty()) {
    if (!behind.delete(draft)) return;
    if (draft.emailId && !draft.isUntouched()) await call("Email/set", { destroy: [draft.emailId] }).catch(() => {});
    return draft.close(true);
  }
  await draft.save();
  if (!behind.has(draft)) return;
  if (draft.isSaved()) toast(t("kept_in_drafts"), { action: t("open"), run: () => void back(draft).catch(say) });
  else toast(t("kept_here"), { action: t("open"), run: () => void back(draft).catch(say), stay: 15 });
  if (!draft.isWhole()) {
    await draft.arrived();
    draft.touch();
    await draft.save();
  }
  if (behind.delete(draft)) await draft.close(draft.isSaved() && draft.isWhole());
}

/** back opens a draft again that was closed. */
async function back(draft: Draft): Promise<void> {
  if (behind.delete(draft)) show(draft);
  else if (draft.isSaved() && draft.isWhole()) await open({ kind: "draft", emailId: draft.emailId });
  else await restore(draft.record());
}

async function discard(draft: Draft): Promise<void> {
  const empty = draft.isEmpty() || (draft.isUntouched() && !draft.emailId);
  const record = draft.record();
  drop(draft);
  for (const a of draft.files.peek()) a.stop?.();
  await draft.settled();
  await draft.close(true);
  const id = draft.emailId;
  // What is at the server goes to the bin: files that are attached are in it.
  const trash = roleMailbox("trash");
  if (id) await call("Email/set", empty || !trash ? { destroy: [id] } : { update: { [id]: { mailboxIds: { [trash]: true } } } }).catch(() => {});
  if (empty) return;
  // Saved anew, it is among the drafts again, and not in the bin.
  toast(t("discarded"), { action: t("undo"), run: () => void restore({ ...record, emailId: id }).catch(say) });
}

function Windows() {
  return (
    <>
      {open_.value.map((o, i, all) => (
        <Window
          key={o.draft.key}
          draft={o.draft}
          stand={o.stand}
          offset={all.slice(i + 1).reduce((sum, x) => sum + (x.stand === "small" ? 20.75 : x.stand === "open" ? 37.75 : 0), 0)}
          refused={o.refused}
          onStand={(s) => stand(o.draft, s)}
          onClose={() => void close(o.draft)}
          onDiscard={() => void discard(o.draft)}
          onSend={(at, zone) => {
            drop(o.draft);
            void send(o.draft, { reopen }, at, zone).catch((error) => {
              reopen(o.draft);
              say(error);
            });
          }}
        />
      ))}
    </>
  );
}

const host = document.createElement("div");
host.className = "compose-host";
document.body.append(host);
render(<Windows />, host);

// What is typed in the last moment is kept, too.
addEventListener("pagehide", () => {
  for (const o of open_.peek()) void o.draft.keep();
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState !== "hidden") return;
  for (const o of open_.peek()) {
    void o.draft.keep();
    void o.draft.save();
  }
});
