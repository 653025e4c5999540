export {};
//# sourceMappingURL=Legacy.d.ts.map