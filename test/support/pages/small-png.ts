/**
 * Makes the files of screenshots smaller. Pages have few colours and many shades between them, at the edges of letters:
 * each pixel becomes an index into the 256 most frequent colours, and a rare shade the nearest of those.
 */

import { crc32, deflateSync, inflateSync } from 'node:zlib';

const SIGNATURE_BYTES = 8;
const TRUE_COLOUR = 2;
const TRUE_COLOUR_ALPHA = 6;

const MAX_COLOURS = 256;

/** The picture with a palette (PNG, third edition, §11.2); unchanged if it is of another kind or already smaller. */
export function smallPng(png: Buffer): Buffer {
  const header = png.subarray(SIGNATURE_BYTES, SIGNATURE_BYTES + 25);
  const [width, height] = [header.readUInt32BE(8), header.readUInt32BE(12)];
  const [depth, kind, interlace] = [header[16], header[17], header[20]];
  if (depth !== 8 || (kind !== TRUE_COLOUR && kind !== TRUE_COLOUR_ALPHA) || interlace !== 0) return png;
  const channels = kind === TRUE_COLOUR ? 3 : 4;
  const pixels = unfiltered(inflateSync(Buffer.concat(dataOf(png))), width * channels, height, channels);
  const indexes = paletteOf(pixels, channels);
  const rows = Buffer.alloc((width + 1) * height);
  for (let at = 0; at < width * height; at += 1) {
    const index = indexes.get(pixels.readUIntBE(at * channels, 3)) ?? 0;
    rows[Math.floor(at / width) * (width + 1) + 1 + (at % width)] = index;
  }
  const colours = Buffer.alloc(3 * Math.min(MAX_COLOURS, indexes.size));
  for (const [colour, index] of [...indexes].reverse()) colours.writeUIntBE(colour, index * 3, 3);
  const size = Buffer.from(header.subarray(8, 21));
  size[9] = 3;
  const small = Buffer.concat([
    png.subarray(0, SIGNATURE_BYTES),
    chunk('IHDR', size),
    chunk('PLTE', colours),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
  return small.byteLength < png.byteLength ? small : png;
}

/** Colour → index in the palette. The colours of the palette come first, in its order. */
function paletteOf(pixels: Buffer, channels: number): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  for (let at = 0; at < pixels.byteLength; at += channels) {
    const colour = pixels.readUIntBE(at, 3);
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const byUse = [...counts].sort(([, a], [, b]) => b - a).map(([colour]) => colour);
  const kept = byUse.slice(0, MAX_COLOURS);
  const places = kept.map((colour, index) => [colour, index] as const);
  const rare = byUse.slice(MAX_COLOURS).map((colour) => [colour, nearest(colour, kept)] as const);
  return new Map([...places, ...rare]);
}

function nearest(colour: number, kept: readonly number[]): number {
  const distances = kept.map((other) =>
    [16, 8, 0].reduce((sum, shift) => sum + (((colour >> shift) & 0xff) - ((other >> shift) & 0xff)) ** 2, 0),
  );
  return distances.indexOf(Math.min(...distances));
}

function dataOf(png: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = SIGNATURE_BYTES; at < png.byteLength; at += 12 + png.readUInt32BE(at)) {
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT')
      parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  }
  return parts;
}

function chunk(name: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(name, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.byteLength);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
}

/** The bytes of the rows without their filters (§9). */
function unfiltered(data: Buffer, rowBytes: number, height: number, step: number): Buffer {
  const out = Buffer.alloc(rowBytes * height);
  for (let row = 0; row < height; row += 1) {
    const filter = data[row * (rowBytes + 1)];
    for (let column = 0; column < rowBytes; column += 1) {
      const at = row * rowBytes + column;
      const left = column >= step ? (out[at - step] ?? 0) : 0;
      const above = row > 0 ? (out[at - rowBytes] ?? 0) : 0;
      const corner = row > 0 && column >= step ? (out[at - rowBytes - step] ?? 0) : 0;
      const guess =
        filter === 1
          ? left
          : filter === 2
            ? above
            : filter === 3
              ? (left + above) >> 1
              : filter === 4
                ? paeth(left, above, corner)
                : 0;
      out[at] = ((data[row * (rowBytes + 1) + 1 + column] ?? 0) + guess) & 0xff;
    }
  }
  return out;
}

function paeth(left: number, above: number, corner: number): number {
  const guess = left + above - corner;
  const [toLeft, toAbove, toCorner] = [Math.abs(guess - left), Math.abs(guess - above), Math.abs(guess - corner)];
  if (toLeft <= toAbove && toLeft <= toCorner) return left;
  return toAbove <= toCorner ? above : corner;
}
