// What tus-js-client brings libraries for, and every browser of today has (vite.config.js puts it in their place).
export default URL;
export const Base64 = { encode: (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text))) };
