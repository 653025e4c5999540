// Dialogs: native ones, so that the page behind is out of reach, Escape closes, and the focus goes back by itself.

import { render, type ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { useName } from "./id";
import { t } from "../core/text";
import { Button, IconButton } from "./button";

/** Dialog is a modal dialog as long as it is rendered. Its first element with autofocus, or else its first field, has the focus. */
export function Dialog({ title, onClose, children, actions, wide, kind = "" }: {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  /** actions are the buttons at its foot. */
  actions?: ComponentChildren;
  wide?: boolean;
  kind?: string; // a class of its own
}) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useName();
  useLayoutEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    const dialog = ref.current!;
    dialog.showModal();
    dialog.querySelector<HTMLElement>("[autofocus]")?.focus();
    return () => {
      dialog.close();
      if (before?.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={ref}
      class={`dialog ${wide ? "wide" : ""} ${kind}`}
      aria-labelledby={id}
      onCancel={(e) => {
        e.preventDefault();
        onClose();
      }}
      onMouseDown={(e) => {
        if (e.target === ref.current) onClose(); // beside it
      }}
      onKeyDown={(e) => e.stopPropagation()} // the keys of the page rest
    >
      <div class="dialog-inside">
        <div class="dialog-head">
          <h2 id={id}>{title}</h2>
          <IconButton icon="x" label={t("close")} onClick={onClose} />
        </div>
        <div class="dialog-body">{children}</div>
        {actions && <div class="dialog-foot">{actions}</div>}
      </div>
    </dialog>
  );
}

/** show renders a dialog, or anything, until it is closed, and answers what it was closed with. */
export function show<T>(content: (close: (answer?: T) => void) => ComponentChildren): Promise<T | undefined> {
  return new Promise((resolve) => {
    const host = document.createElement("div");
    document.body.append(host);
    const close = (answer?: T) => {
      render(null, host);
      host.remove();
      resolve(answer);
    };
    render(<>{content(close)}</>, host);
  });
}

/** confirm asks before something that cannot be undone. */
export async function confirm(title: string, text: string, action: string, danger = false): Promise<boolean> {
  return !!(await show<boolean>((close) => (
    <Dialog title={title} onClose={() => close(false)} actions={<>
      <Button onClick={() => close(false)}>{t("cancel")}</Button>
      <Button primary={!danger} danger={danger} onClick={() => close(true)}>{action}</Button>
    </>}>
      <p>{text}</p>
    </Dialog>
  )));
}
