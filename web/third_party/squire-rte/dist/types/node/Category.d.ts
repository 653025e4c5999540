declare const leafNodeNames: Set<string>;
declare const resetNodeCategoryCache: () => void;
declare const isLeaf: (node: Node) => boolean;
declare const getNodeCategory: (node: Node) => number;
declare const isInline: (node: Node) => boolean;
declare const isBlock: (node: Node) => boolean;
declare const isContainer: (node: Node) => boolean;
export { getNodeCategory, isBlock, isContainer, isInline, isLeaf, leafNodeNames, resetNodeCategoryCache, };
