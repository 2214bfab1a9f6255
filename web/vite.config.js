import { defineConfig } from 'vite';

// The page is embedded in the firmware: few, small files, nothing from elsewhere.
export default defineConfig({
  build: { target: 'es2020', assetsInlineLimit: 0, modulePreload: { polyfill: false } },
});
