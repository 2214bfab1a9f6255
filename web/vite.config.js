import { defineConfig } from 'vite';

const native = new URL('src/native.js', import.meta.url).pathname;

// The page is embedded in the firmware: few, small files, nothing from elsewhere.
export default defineConfig({
  build: { target: 'es2020', assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  resolve: { alias: { 'url-parse': native, 'js-base64': native } },
});
