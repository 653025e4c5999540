import { first } from "../core/first";

/** many are those of lucide that a page has many of: a reference to the sheet of icons would cost more than all else of a row. */
const many: Record<string, string> = {
  star: "M11.525 2.295a.53.53 0 0 1 .95 0l2.31 4.679a2.123 2.123 0 0 0 1.595 1.16l5.166.756a.53.53 0 0 1 .294.904l-3.736 3.638a2.123 2.123 0 0 0-.611 1.878l.882 5.14a.53.53 0 0 1-.771.56l-4.618-2.428a2.122 2.122 0 0 0-1.973 0L6.396 21.01a.53.53 0 0 1-.77-.56l.881-5.139a2.122 2.122 0 0 0-.611-1.879L2.16 9.795a.53.53 0 0 1 .294-.906l5.165-.755a2.122 2.122 0 0 0 1.597-1.16z",
  ellipsis: "M11 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0zm7 0a1 1 0 1 0 2 0 1 1 0 1 0-2 0zM4 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0z",
  paperclip: "m16 6-8.414 8.586a2 2 0 0 0 2.829 2.829l8.414-8.586a4 4 0 1 0-5.657-5.657l-8.379 8.551a6 6 0 1 0 8.485 8.485l8.379-8.551",
  reply: "M20 18v-2a4 4 0 0 0-4-4H4m5 5-5-5 5-5",
};

/** Icon is a picture from the sheet; it says nothing to a screen reader, so its button needs a label. */
export function Icon({ name, class: c = "" }: { name: string; class?: string }) {
  return (
    <svg class={`icon ${c}`} aria-hidden="true" width="20" height="20" viewBox={many[name] && "0 0 24 24"}>
      {many[name] ? <path d={many[name]} /> : <use href={`${first.base}icons.svg#${name}`} />}
    </svg>
  );
}
