// Short messages at the foot of the page, each with at most one thing to do.

import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { Icon } from "./icon";
import { t } from "../core/text";

interface ToastOptions {
  kind?: "info" | "error";
  action?: string;
  run?: () => unknown;
  /** seconds it stays; 0 until it is closed. */
  stay?: number;
  /** count shows the seconds until it closes. */
  count?: boolean;
  /** progress shows how far something is, as far says. */
  progress?: boolean;
}

interface Toast extends ToastOptions {
  id: number;
  text: string;
  ends: number; // when it closes, in milliseconds; 0 for never
  done?: [number, number]; // how many of how many
}

const toasts = signal<Toast[]>([]);
let next = 0;

/** most is how many messages are shown at once; those that stay make no room. */
const most = 3;

/** toast shows a message; what it answers closes or changes it. */
export function toast(text: string, options: ToastOptions = {}): { close(): void; far(n: number, all: number): void } {
  const id = next++;
  const close = () => (toasts.value = toasts.value.filter((x) => x.id !== id));
  const stay = options.stay ?? (options.kind === "error" ? 15 : options.action ? 10 : 5);
  const before = toasts.value.filter((x, i, all) => !x.ends || i > all.length - most);
  toasts.value = [...before, { ...options, id, text, ends: stay > 0 ? Date.now() + stay * 1000 : 0 }];
  if (stay > 0) setTimeout(close, stay * 1000);
  return { close, far: (n, all) => (toasts.value = toasts.value.map((x) => (x.id === id ? { ...x, done: [n, all] } : x))) };
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((x) => (
        <div key={x.id} class={`toast ${x.kind ?? "info"}`}>
          <span>{x.text}</span>
          {x.progress && <Progress text={x.text} done={x.done} />}
          {x.action && (
            <button
              onClick={() => {
                toasts.value = toasts.value.filter((y) => y.id !== x.id);
                void x.run?.();
              }}
            >
              {x.action}
              {x.count && x.ends > 0 && <Countdown ends={x.ends} />}
            </button>
          )}
          {!x.progress && <button class="icon" aria-label={t("close")} onClick={() => (toasts.value = toasts.value.filter((y) => y.id !== x.id))}>
            <Icon name="x" />
          </button>}
        </div>
      ))}
    </div>
  );
}

/** Progress shows how far something is; that is not read aloud with each step. */
function Progress({ text, done: [n, all] = [0, 0] }: { text: string; done?: [number, number] }) {
  return (
    <>
      <progress aria-label={text} max={all || 1} value={all ? n : undefined} />
      {all > 0 && <span class="toast-far" aria-hidden="true">{t("working_on", { n, total: all })}</span>}
    </>
  );
}

/** Countdown shows the seconds that are left; it is not read aloud. */
export function Countdown({ ends }: { ends: number }) {
  const left = () => Math.max(0, Math.ceil((ends - Date.now()) / 1000));
  const [seconds, setSeconds] = useState(left);
  useEffect(() => {
    const timer = setInterval(() => setSeconds(left()), 250);
    return () => clearInterval(timer);
  }, [ends]);
  return <span class="countdown" aria-hidden="true">{seconds} s</span>;
}
