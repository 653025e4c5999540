import type { Squire } from '../Editor';
declare const Space: (self: Squire, event: KeyboardEvent, range: Range) => void;
export { Space };
