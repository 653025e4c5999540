import type { Squire } from '../Editor';
declare const Delete: (self: Squire, event: KeyboardEvent, range: Range) => void;
export { Delete };
