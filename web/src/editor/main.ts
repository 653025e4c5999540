// The editor of rich text. It is fetched beside the window to write in, which is there first.

export { Squire, undo } from "./squire";
