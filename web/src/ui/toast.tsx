// Short messages at the foot of the page, each with at most one thing to do.

import { signal } from "@preact/signals";
import { Icon } from "./icon";
import { t } from "../core/text";

export interface ToastOptions {
  kind?: "info" | "error";
  action?: string;
  run?: () => unknown;
  /** seconds it stays; 0 until it is closed. */
  stay?: number;
}

interface Toast extends ToastOptions {
  id: number;
  text: string;
}

const toasts = signal<Toast[]>([]);
let next = 0;

/** toast shows a message; what it answers closes or changes it. */
export function toast(text: string, options: ToastOptions = {}): { close(): void; say(text: string): void } {
  const id = next++;
  const close = () => (toasts.value = toasts.value.filter((x) => x.id !== id));
  toasts.value = [...toasts.value.slice(-2), { ...options, id, text }];
  const stay = options.stay ?? (options.kind === "error" ? 15 : options.action ? 10 : 5);
  if (stay > 0) setTimeout(close, stay * 1000);
  return { close, say: (text) => (toasts.value = toasts.value.map((x) => (x.id === id ? { ...x, text } : x))) };
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((x) => (
        <div key={x.id} class={`toast ${x.kind ?? "info"}`}>
          <span>{x.text}</span>
          {x.action && (
            <button
              onClick={() => {
                toasts.value = toasts.value.filter((y) => y.id !== x.id);
                void x.run?.();
              }}
            >
              {x.action}
            </button>
          )}
          <button class="icon" aria-label={t("close")} onClick={() => (toasts.value = toasts.value.filter((y) => y.id !== x.id))}>
            <Icon name="x" />
          </button>
        </div>
      ))}
    </div>
  );
}
