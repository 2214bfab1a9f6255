// embed-assets FOLDER OUT.c: every file of FOLDER as a C array, and the table `web_assets` of console/console.h.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { extname, join, relative } from 'node:path';

const mediaTypes = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webp': 'image/webp',
  '.json': 'application/json',
  '.woff2': 'font/woff2',
};

const [folder, out] = process.argv.slice(2);
if (!out) {
  console.error('usage: embed-assets FOLDER OUT.c');
  process.exit(2);
}

const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)))
  .sort();
if (!files.includes('index.html')) {
  console.error(`embed-assets: ${folder} has no index.html`);
  process.exit(1);
}

const arrays = [];
const rows = [];
for (const [index, file] of files.entries()) {
  const mediaType = mediaTypes[extname(file)];
  if (!mediaType) {
    console.error(`embed-assets: no media type is known for ${file}`);
    process.exit(1);
  }
  const bytes = readFileSync(join(folder, file));
  const lines = [];
  for (let i = 0; i < bytes.length; i += 32) lines.push(`  ${[...bytes.subarray(i, i + 32)].join(',')},`);
  arrays.push(`static const uint8_t asset_${index}[] = {\n${lines.join('\n')}\n};\n`);
  rows.push(`  {"/${file}", "${mediaType}", asset_${index}, sizeof(asset_${index})},`);
}
writeFileSync(
  out,
  `// Made by tools/embed-assets.mjs.\n#include "web_assets.h"\n\n${arrays.join('\n')}
const struct console_asset web_assets[] = {\n${rows.join('\n')}\n};
const size_t web_asset_count = sizeof(web_assets) / sizeof(web_assets[0]);\n`,
);
