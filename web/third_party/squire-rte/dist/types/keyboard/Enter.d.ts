import type { Squire } from '../Editor';
declare const Enter: (self: Squire, event: KeyboardEvent, range: Range) => void;
export { Enter };
