// The rules of the box's inspection in words; firmware/image/rules.c has the list.
export const ruleMeanings = {
  size: 'its sides or pixels are over the limits',
  ratio: 'one side is far longer than the other',
  expansion: 'it decodes to far more bytes than the file has',
  frames: 'it has too many frames, pages or items',
  structure: 'its lengths, order or nesting are not what the format allows',
  checksum: 'a checksum in the file is wrong',
  'chunk-size': 'a chunk of metadata is oversized',
  nesting: 'boxes or directories are nested too deep, or in circles',
  text: 'a text in it carries markup, script or a shell',
  'text-entropy': 'a text in it is as dense as encrypted data',
  'data-entropy': "a stretch of image data is not what the format's data looks like",
  trailing: 'bytes follow the end of the picture',
  hidden: 'bytes inside are reached by no part of the format',
  polyglot: 'it is also HTML, PHP, ZIP, PDF, a program or the like',
  colour: 'its statements about its colours contradict each other',
  profile: 'its ICC profile is damaged or of the wrong class',
  exif: 'its EXIF block can not be read or contradicts the picture',
  gps: 'it says where it was taken',
};

// A refusal for people: the rule is named and explained, the box's own words follow.
export function refusalText(problem) {
  const rule = problem.subject?.startsWith('rule/') ? problem.subject.slice(5) : null;
  if (!rule) return problem.message;
  const meaning = ruleMeanings[rule] ? `: ${ruleMeanings[rule]}` : '';
  return `Refused by the rule “${rule}”${meaning}${problem.detail ? ` (${problem.detail})` : ''}`;
}
