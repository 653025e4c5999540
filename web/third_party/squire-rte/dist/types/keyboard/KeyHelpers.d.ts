import type { Squire } from '../Editor';
declare const afterDelete: (self: Squire, range?: Range) => void;
declare const detachUneditableNode: (node: Node, root: Element) => void;
declare const linkifyText: (self: Squire, textNode: Text, offset: number) => void;
export { afterDelete, detachUneditableNode, linkifyText };
