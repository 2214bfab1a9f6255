// Pictures that do not compress, and edits of pictures as people make them.
import { createCipheriv } from 'node:crypto';

export function noise(bytes, seed) {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16));
  return cipher.update(Buffer.alloc(bytes));
}

// A PPM of about `megapixels` * 3 MB that no other seed gives.
export function noisePicture(megapixels, seed) {
  const width = 1000, height = Math.round(megapixels * 1000);
  return Buffer.concat([Buffer.from(`P6\n${width} ${height}\n255\n`), noise(width * height * 3, seed)]);
}

// The same picture with other bytes at a place.
export function retouched(bytes, at, length, seed) {
  const copy = Buffer.from(bytes);
  noise(length, seed).copy(copy, at);
  return copy;
}

// A PPM with a comment in its head, which moves everything behind it.
export const commented = (ppm, text) => Buffer.concat([ppm.subarray(0, 3), Buffer.from(`# ${text}\n`), ppm.subarray(3)]);

// A JPEG with other metadata: XMP in a segment of its own behind the start-of-image marker.
export function described(jpeg, text) {
  const xmp = Buffer.from(`http://ns.adobe.com/xap/1.0/\0<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?><x:xmpmeta xmlns:x='adobe:ns:meta/'>` +
    `<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/'>` +
    `<dc:title>${text}</dc:title></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>`);
  const head = Buffer.from([0xff, 0xe1, (xmp.length + 2) >> 8, (xmp.length + 2) & 255]);
  return Buffer.concat([jpeg.subarray(0, 2), head, xmp, jpeg.subarray(2)]);
}
