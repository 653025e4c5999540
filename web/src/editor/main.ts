// The libraries of the window to write in: the editor of rich text and the sanitiser. They are fetched beside the window
// itself, which is there first.

export { default as Squire } from "squire-rte";
export { default as DOMPurify } from "dompurify";
