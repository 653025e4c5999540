// A wrong address: the right one is asked for, and the message goes there.

import { useState } from "preact/hooks";
import { explain } from "../core/actions";
import { MethodError } from "../core/jmap";
import { t } from "../core/text";
import { Button } from "../ui/button";
import { Dialog, show } from "../ui/dialog";
import { toast } from "../ui/toast";
import { act, type Recipient } from "./data";

/** Wrong is a recipient who cannot be reached. */
type Wrong = Pick<Recipient, "address" | "suggestion" | "why">;

/** correctAddress asks for the right address and sends there; id is that of the message in the Outbox, reportId the report that somebody looks at. */
export async function correctAddress(id: string, r: Wrong, reportId?: string): Promise<void> {
  const done = await show<Done>((close) => <Correct id={id} r={r} reportId={reportId} close={close} />);
  if (done) tell(done);
}

interface Done {
  address: string;
  signed?: boolean;
}

const tell = ({ address, signed }: Done): void => void toast(t(signed ? "corrected_signed" : "corrected", { address }));

/** correctTo sends a message to another address than one that cannot be reached, and says so. */
export async function correctTo(id: string, recipient: string, to: string): Promise<void> {
  const { signed } = await act(id, "correctRecipient", { recipient, to });
  tell({ address: to, signed });
}

function Correct({ id, r, reportId, close }: { id: string; r: Wrong; reportId: string | undefined; close: (done?: Done) => void }) {
  const [to, setTo] = useState(r.suggestion ?? r.address);
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const right = to.trim();
  const ok = !busy && right.includes("@") && right.toLowerCase() !== r.address.toLowerCase();
  const send = async (e: Event) => {
    e.preventDefault();
    if (!ok) return;
    setBusy(true);
    try {
      const { signed } = await act(id, "correctRecipient", { recipient: r.address, to: right, ...(reportId ? { reportId } : {}) });
      close({ address: right, signed });
    } catch (failure) {
      const told = failure instanceof MethodError ? failure.detail.recipients?.[right] : undefined;
      const gone = failure instanceof MethodError && failure.type === "notFound";
      setError(told?.text ?? (gone ? t("correct_gone") : explain(failure)));
      setBusy(false);
    }
  };
  return (
    <Dialog title={t("correct_send")} onClose={() => close()}>
      <form class="form" onSubmit={(e) => void send(e)}>
        <p>{r.why?.text ?? t("correct_wrong", { address: r.address })}</p>
        <label>{t("correct_right")}<input type="email" value={to} autofocus autocomplete="off" spellcheck={false} onInput={(e) => setTo(e.currentTarget.value)} aria-invalid={!!error} /></label>
        {error && <p class="why" role="alert">{error}</p>}
        <div class="dialog-buttons"><Button primary type="submit" disabled={!ok}>{t("correct_send")}</Button></div>
      </form>
    </Dialog>
  );
}
