import { useState } from "preact/hooks";
import { number, t } from "../core/text";
import { IconButton } from "../ui/button";
import { Icon } from "../ui/icon";

/** FullNote says that there is no room for new mail, or soon none; then it can be put aside. */
export function FullNote({ share }: { share: number }) {
  const [aside, setAside] = useState(false);
  const over = share >= 0.995;
  if (aside && !over) return null;
  return (
    <div class="banner warn" role="status">
      <Icon name="triangle-alert" />
      <span>{t(over ? "quota_full" : "quota_nearly", { percent: number(Math.floor(share * 100)) })}</span>
      <a class="button" href="/settings/storage">{t("quota_room")}</a>
      {!over && <IconButton icon="x" label={t("close")} onClick={() => setAside(true)} />}
    </div>
  );
}
