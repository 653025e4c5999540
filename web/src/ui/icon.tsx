import { first } from "../core/first";

/** Icon is a picture from the sheet; it says nothing to a screen reader, so its button needs a label. */
export function Icon({ name, class: c = "" }: { name: string; class?: string }) {
  return (
    <svg class={`icon ${c}`} aria-hidden="true" width="20" height="20">
      <use href={`${first.base}icons.svg#${name}`} />
    </svg>
  );
}
