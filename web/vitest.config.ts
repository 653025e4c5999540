import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const library = (file: string) => fileURLToPath(new URL(`third_party/${file}`, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: "@preact/signals-core", replacement: library("@preact/signals-core/dist/signals-core.mjs") },
      { find: "@preact/signals", replacement: library("@preact/signals/dist/signals.mjs") },
      { find: "preact/hooks", replacement: library("preact/hooks/dist/hooks.mjs") },
      { find: "preact/jsx-runtime", replacement: library("preact/jsx-runtime/dist/jsxRuntime.mjs") },
      { find: /^preact$/, replacement: library("preact/dist/preact.mjs") },
    ],
  },
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  test: { include: ["src/**/*.test.ts"], setupFiles: ["src/test/page.ts"] },
});
