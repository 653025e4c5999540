declare const getTextContentsOfRange: (range: Range) => string;
export { getTextContentsOfRange };
//# sourceMappingURL=Contents.d.ts.map