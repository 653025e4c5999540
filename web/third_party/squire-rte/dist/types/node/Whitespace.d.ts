declare const isLineBreak: (br: Element, isLBIfEmptyBlock: boolean) => boolean;
declare const removeZWS: (root: Node, keepNode?: Node | null) => void;
export { isLineBreak, removeZWS };
