import type { Squire } from '../Editor';
declare const Backspace: (self: Squire, event: KeyboardEvent, range: Range) => void;
export { Backspace };
