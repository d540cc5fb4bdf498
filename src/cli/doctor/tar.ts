/**
 * Writes a tar archive (POSIX.1-2017, pax "ustar interchange format") of a few small texts: thirty lines, where a
 * package would bring streams that nothing here needs.
 */

/** A file of the archive. */
export interface ArchivedText {
  /** At most 100 bytes of ASCII. */
  readonly name: string;
  readonly text: string;
}

const BLOCK = 512;

/** Writes the archive. @param modifiedMs  of all files; wall clock */
export function tarOf(files: readonly ArchivedText[], modifiedMs: number): Buffer {
  const blocks = files.flatMap(({ name, text }) => {
    const content = Buffer.from(text);
    const padding = Buffer.alloc((BLOCK - (content.byteLength % BLOCK)) % BLOCK);
    return [header(name, content.byteLength, modifiedMs), content, padding];
  });
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

function header(name: string, length: number, modifiedMs: number): Buffer {
  if (Buffer.byteLength(name) > 100) throw new TypeError('a name of more than 100 bytes');
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`;
  block.write(name, 0);
  block.write(octal(0o600, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(length, 11), 124);
  block.write(octal(Math.floor(modifiedMs / 1_000), 11), 136);
  // The checksum is made with spaces in its own place.
  block.write(' '.repeat(8), 148);
  block.write('0', 156);
  block.write('ustar\x0000', 257);
  const checksum = block.reduce((sum, byte) => sum + byte, 0);
  block.write(`${checksum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
