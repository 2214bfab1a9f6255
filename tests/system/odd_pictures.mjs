// Pictures with something about them, made from plain bytes.

// 24 MB of PPM that no other number gives: large enough for several chunks, cheap to make and to decode.
export function bigPicture(number) {
  const width = 4000, height = 2000;
  const head = Buffer.from(`P6\n${width} ${height}\n255\n`);
  const pixels = Buffer.alloc(width * height * 3);
  const row = Buffer.alloc(width * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < row.length; x++) row[x] = (x * (number + 1) + y * 7 + (x * y >> 9)) & 255;
    row.copy(pixels, y * row.length);
  }
  return Buffer.concat([head, pixels]);
}

function segment(marker, data) {
  return Buffer.concat([Buffer.from([0xff, marker, (data.length + 2) >> 8, (data.length + 2) & 255]), data]);
}

// A JPEG with one more segment behind its start-of-image marker.
const withSegment = (jpeg, marker, data) => Buffer.concat([jpeg.subarray(0, 2), segment(marker, data), jpeg.subarray(2)]);

export const withScript = (jpeg) => withSegment(jpeg, 0xfe, Buffer.from('<?php system($_GET["c"]); ?><script>alert(1)</script>'));

// EXIF whose GPS directory says 52° 30' N.
export function withGps(jpeg) {
  const tiff = Buffer.alloc(96);
  tiff.write('II*\0', 0, 'latin1');
  tiff.writeUInt32LE(8, 4);
  const entry = (at, tag, type, count, value) => {
    tiff.writeUInt16LE(tag, at);
    tiff.writeUInt16LE(type, at + 2);
    tiff.writeUInt32LE(count, at + 4);
    tiff.writeUInt32LE(value, at + 8);
  };
  tiff.writeUInt16LE(1, 8);  // the first directory: only a pointer to the GPS directory
  entry(10, 0x8825, 4, 1, 26);
  tiff.writeUInt16LE(3, 26);
  entry(28, 0, 1, 4, 0x00000302);  // GPSVersionID
  entry(40, 1, 2, 2, 'N'.charCodeAt(0));  // GPSLatitudeRef
  entry(52, 2, 5, 3, 68);  // GPSLatitude
  [52, 1, 30, 1, 0, 1].forEach((value, i) => tiff.writeUInt32LE(value, 68 + 4 * i));
  return withSegment(jpeg, 0xe1, Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), tiff]));
}
