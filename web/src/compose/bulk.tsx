// What large files need: the question what to do with them, archives, uploads. It is loaded with the first of them.

import { useState } from "preact/hooks";
import { first } from "../core/first";
import { size, t } from "../core/text";
import { Button } from "../ui/button";
import { Dialog, show } from "../ui/dialog";
import { compressible } from "./large";
import { fits, zip } from "./zip";

export { drop, large } from "./large";

/** ask asks what is to become of files that a message has no room for: links, or a smaller archive. Undefined is nothing. */
export const ask = (files: File[]): Promise<File[] | "link" | undefined> => show<File[] | "link">((close) => <Large files={files} close={close} />);

function Large({ files, close }: { files: File[]; close: (answer?: File[] | "link") => void }) {
  const [share, setShare] = useState<number>();
  const [failed, setFailed] = useState(false);
  const whole = files.reduce((sum, f) => sum + f.size, 0);
  const packs = files.length > 1 || files.some(compressible);
  const pack = async () => {
    setShare(0);
    try {
      const name = files.length === 1 ? `${files[0]!.name}.zip` : `${t("large_archive")}.zip`;
      close([new File([await zip(files, setShare)], name, { type: "application/zip" })]);
    } catch {
      setShare(undefined);
      setFailed(true);
    }
  };
  return (
    <Dialog title={t("large_title")} onClose={() => close()} actions={share === undefined && <>
      {packs && fits(files) && <Button icon="file-archive" onClick={() => void pack()}>{t("large_zip")}</Button>}
      <Button primary icon="link" onClick={() => close("link")}>{t("large_link")}</Button>
    </>}>
      <p>{t("large_text", { n: files.length, size: size(whole), limit: size(first.maxSize) })}</p>
      <p class="soft">{t("large_how")}</p>
      {!fits(files) && <p class="soft">{t("large_zip_limit")}</p>}
      {share !== undefined && <p><progress value={share} aria-label={t("large_zipping")} /> {t("large_zipping")}</p>}
      {failed && <p role="alert">{t("large_zip_failed")}</p>}
    </Dialog>
  );
}
