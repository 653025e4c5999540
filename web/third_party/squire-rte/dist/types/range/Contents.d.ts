declare const getTextContentsOfRange: (range: Range) => string;
export { getTextContentsOfRange };
