import type { Squire } from '../Editor';
declare const Tab: (self: Squire, event: KeyboardEvent, range: Range) => void;
declare const ShiftTab: (self: Squire, event: KeyboardEvent, range: Range) => void;
export { Tab, ShiftTab };
