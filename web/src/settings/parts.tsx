// What the pages of the settings are made of.

import { effect, untracked } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { explain, say } from "../core/actions";
import { go, route } from "../core/route";
import { longDate, t, time } from "../core/text";
import { Button } from "../ui/button";
import { confirm } from "../ui/dialog";
import { toast } from "../ui/toast";

/** Part is a part of a page with a heading and, in a line, what it is for. */
export function Part({ title, text, children }: { title: string; text?: string; children?: ComponentChildren }) {
  return (
    <section class="part">
      <h2>{title}</h2>
      {text && <p class="soft">{text}</p>}
      {children}
    </section>
  );
}

/** at is a point in time as people say it: today's and yesterday's by the hour. */
export function at(date: string | Date, now = new Date()): string {
  const d = new Date(date);
  const days = Math.round((new Date(now).setHours(12, 0, 0, 0) - new Date(d).setHours(12, 0, 0, 0)) / 86400e3);
  return days === 0 ? t("at_today", { time: time(d) }) : days === 1 ? t("at_yesterday", { time: time(d) }) : longDate(d);
}

/** Row is one thing that is on or off, or has a button. */
export function Row({ label, text, children }: { label: string; text?: ComponentChildren; children?: ComponentChildren }) {
  return (
    <div class="setting">
      <div class="setting-text">
        <strong>{label}</strong>
        {text && <span class="soft">{text}</span>}
      </div>
      {children}
    </div>
  );
}

/** Switch turns something on or off. */
export function Switch({ label, on, disabled, change }: { label: string; on: boolean; disabled?: boolean; change: (on: boolean) => void }) {
  return (
    <label class="switch">
      <input type="checkbox" role="switch" aria-label={label} checked={on} disabled={disabled} onChange={(e) => change(e.currentTarget.checked)} />
      <span aria-hidden="true" />
    </label>
  );
}

/** Loaded is what was asked of the server: not there yet, there, or why not. */
interface Loaded<T> {
  value?: T;
  error?: unknown;
  again: () => void;
  set: (value: T) => void;
}

/** useLoaded asks for something when the page opens. */
export function useLoaded<T>(ask: () => Promise<T>, on: unknown[] = []): Loaded<T> {
  const [state, set] = useState<{ value?: T; error?: unknown }>({});
  const again = () => {
    ask().then((value) => set({ value }), (error) => set({ error }));
  };
  useEffect(again, on);
  return { ...state, again, set: (value) => set({ value }) };
}

/** Load shows what was loaded, or that it is under way, or why it failed with a way to try again. */
export function Load<T>({ of, children }: { of: Loaded<T>; children: (value: T) => ComponentChildren }) {
  if (of.value !== undefined) return <>{children(of.value)}</>;
  if (of.error === undefined) return <p class="soft" role="status">{t("loading")}</p>;
  return (
    <div class="part-failed" role="alert">
      <p>{explain(of.error)}</p>
      <Button onClick={of.again}>{t("try_again")}</Button>
    </div>
  );
}

/** useUnsaved asks before somebody leaves a page with changes that were not saved, whichever way. */
export function useUnsaved(changed: boolean): void {
  useEffect(() => {
    if (!changed) return;
    const here = route.peek();
    const hold = (e: Event) => e.preventDefault();
    let asking = false;
    const stop = effect(() => {
      const to = route.value;
      if (to.page === here.page && to.section === here.section) return;
      untracked(async () => {
        go(here); // before anything is drawn
        if (asking) return;
        asking = true;
        const leave = await confirm(t("unsaved"), t("unsaved_text"), t("unsaved_leave"), true);
        asking = false;
        if (!leave) return;
        end();
        go(to);
      });
    });
    const end = () => {
      stop();
      removeEventListener("beforeunload", hold);
    };
    addEventListener("beforeunload", hold);
    return end;
  }, [changed]);
}

/** attempt does something and says in words if it failed; it answers whether it was done. */
export async function attempt(work: () => Promise<unknown>, done?: string): Promise<boolean> {
  try {
    await work();
    if (done) toast(done);
    return true;
  } catch (error) {
    say(error);
    return false;
  }
}

/** copy copies a text and says so, also if the browser does not let it. */
export function copy(text: string): void {
  navigator.clipboard.writeText(text).then(() => toast(t("copied")), () => toast(t("copied_not"), { kind: "error" }));
}
