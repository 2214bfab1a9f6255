// What the box's inspection found in an original: facts it read without decoding, and findings with their verdicts.
import { getOriginal } from './api.js';
import { bytesText, element } from './format.js';
import { ruleMeanings } from './rules.js';

const spaces = {
  srgb: 'sRGB', 'adobe-rgb': 'Adobe RGB', 'display-p3': 'Display P3', prophoto: 'ProPhoto RGB', bt2020: 'BT.2020',
  rgb: 'another RGB', grey: 'grey', cmyk: 'CMYK', lab: 'Lab', unknown: 'unknown',
};
const sources = {
  icc: 'from the ICC profile', cicp: 'from its CICP code', chunk: 'from a chunk', exif: 'from EXIF',
  marker: 'from a marker', assumed: 'assumed',
};
const verdicts = { allow: 'noted', alert: 'alert', block: 'refused now' };

const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
const joined = (...parts) => parts.filter(Boolean).join(', ');

function exifText(exif) {
  if (!exif) return 'none';
  return joined(bytesText(exif.bytes), !exif.is_readable && 'can not be read',
    [exif.maker, exif.model].filter(Boolean).join(' '), exif.taken && `taken ${exif.taken}`, exif.software,
    exif.has_gps && 'says where it was taken');
}

function iccText(icc) {
  if (!icc) return 'none';
  return joined(icc.description, `version ${icc.version}`, `class ${(icc.class ?? '?').trim()}`,
    `${(icc.data_space ?? '?').trim()} to ${(icc.connection_space ?? '?').trim()}`, bytesText(icc.bytes),
    !icc.is_valid && 'not valid');
}

function checksumText({ checksums, bad_checksums: bad }) {
  if (checksums === 0) return 'none in the file';
  return bad === 0 ? `${checksums}, all right` : `${checksums}, ${bad} wrong`;
}

function factsOf(report) {
  const { structure, entropy } = report;
  return [
    ['Type', joined(report.format, bytesText(report.bytes), structure.is_progressive && 'progressive')],
    ['Dimensions', `${report.width} × ${report.height}`],
    ['Pixels', joined(report.colour, `${plural(report.channels, 'channel')} of ${report.bits} bits`,
      report.has_alpha && 'alpha', report.frames > 1 && plural(report.frames, 'frame'))],
    ['Colour space', `${spaces[report.colour_space] ?? report.colour_space} (${sources[report.colour_space_source] ?? report.colour_space_source})`],
    ['EXIF', exifText(report.exif)],
    ['ICC profile', iccText(report.icc)],
    ['Structure', joined(plural(structure.parts, 'part'), `${bytesText(structure.data_bytes)} of image data`,
      `${bytesText(structure.text_bytes)} of text`, structure.has_xmp && 'XMP', structure.has_thumbnail && 'a thumbnail')],
    ['Checksums', checksumText(structure)],
    ['Extra bytes', `${bytesText(structure.trailing_bytes)} behind the end, ${bytesText(structure.hidden_bytes)} inside`],
    ['Entropy', entropy
      ? `${entropy.lowest.toFixed(2)} to ${entropy.highest.toFixed(2)} bits a byte, ${entropy.mean.toFixed(2)} on average`
      : 'not measured'],
  ];
}

function findingItem(finding) {
  const place = joined(finding.place, finding.bytes > 0 && `${plural(finding.bytes, 'byte')} at ${finding.offset}`);
  return element('li', { class: `finding ${finding.verdict}` },
    element('span', { class: 'verdict' }, verdicts[finding.verdict] ?? finding.verdict),
    element('strong', { title: ruleMeanings[finding.rule] ?? '' }, finding.rule),
    element('span', {}, finding.text, place ? element('span', { class: 'hint' }, ` (${place})`) : ''));
}

function findingsOf(report) {
  if (report.findings.length === 0) return element('p', { class: 'hint' }, 'Nothing was found.');
  const total = Object.values(report.counts).reduce((sum, count) => sum + count, 0);
  const rest = total - report.findings.length;
  const order = ['block', 'alert', 'allow'];
  const sorted = [...report.findings].sort((a, b) => order.indexOf(a.verdict) - order.indexOf(b.verdict));
  return element('div', {},
    element('ul', { class: 'findings' }, ...sorted.map(findingItem)),
    rest > 0 ? element('p', { class: 'hint' }, `and ${rest} more of the same rules`) : '');
}

function reportView(report) {
  if (!report) return [element('p', { class: 'hint' }, 'There is no report: it was stored before originals were inspected.')];
  const table = element('table', { class: 'report' });
  for (const [name, value] of factsOf(report)) {
    table.append(element('tr', {}, element('th', { scope: 'row' }, name), element('td', {}, value)));
  }
  return [table, findingsOf(report)];
}

// Closed at first; asks for the report when it is opened.
export function inspection(original, name) {
  const content = element('div', { 'aria-label': `Inspection of ${name}`, role: 'region' });
  const details = element('details', { class: 'inspection' }, element('summary', {}, 'Inspection'), content);
  let isThere = false;
  details.addEventListener('toggle', async () => {
    if (!details.open || isThere) return;
    try {
      const { report } = await getOriginal(original.id);
      content.replaceChildren(...reportView(report));
      isThere = true;
    } catch (problem) {
      content.replaceChildren(element('p', { class: 'error', role: 'alert' }, problem.message));
    }
  });
  return details;
}
