// Who changes the security of an account proves again who he is, unless he just did.

import { startAuthentication, type PublicKeyCredentialRequestOptionsJSON } from "@simplewebauthn/browser";
import { useState } from "preact/hooks";
import { explain } from "../core/actions";
import { api, MethodError } from "../core/jmap";
import { t } from "../core/text";
import { Button } from "../ui/button";
import { Dialog, show } from "../ui/dialog";

/** Cancelled says that somebody did not want to prove who he is. */
export class Cancelled extends Error {}

/** fresh does something that may ask first who it is; it rejects with Cancelled if nobody answers that. */
export async function fresh<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof MethodError) || !error.detail.reauthenticate) throw error;
  }
  if (!(await show<boolean>((close) => <Confirm close={close} />))) throw new Cancelled();
  return work();
}

function Confirm({ close }: { close: (done?: boolean) => void }) {
  const [password, setPassword] = useState("");
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const send = async (body: () => Promise<unknown>) => {
    setBusy(true);
    setWrong("");
    try {
      await api("POST", "/api/security/confirm", await body());
      close(true);
    } catch (error) {
      setWrong(error instanceof Cancelled ? t("confirm_passkey_not") : error instanceof MethodError ? error.message : explain(error));
      setBusy(false);
    }
  };
  const withKey = () => send(async () => {
    const { publicKey } = await api<{ publicKey: PublicKeyCredentialRequestOptionsJSON }>("POST", "/api/security/passkeys/use");
    const credential = await startAuthentication({ optionsJSON: publicKey }).catch(() => {
      throw new Cancelled(); // or there is none on this device
    });
    return { credential };
  });
  return (
    <Dialog title={t("confirm_title")} onClose={() => close()} actions={<>
      <Button onClick={() => close()}>{t("cancel")}</Button>
      <Button primary disabled={busy || !password} onClick={() => void send(async () => ({ password }))}>{t("confirm_do")}</Button>
    </>}>
      <form onSubmit={(e) => {
        e.preventDefault();
        void send(async () => ({ password }));
      }}>
        <p class="soft">{t("confirm_text")}</p>
        <label class="field">
          <span>{t("password")}</span>
          <input type="password" autocomplete="current-password" autofocus value={password} onInput={(e) => setPassword(e.currentTarget.value)} aria-invalid={!!wrong} />
        </label>
        {wrong && <p class="wrong" role="alert">{wrong}</p>}
        {"PublicKeyCredential" in globalThis && <button type="button" class="link" onClick={() => void withKey()}>{t("confirm_passkey")}</button>}
      </form>
    </Dialog>
  );
}
