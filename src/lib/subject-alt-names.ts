/**
 * The subject alternative names of a certificate (RFC 5280 §4.2.1.6), read from its DER.
 *
 * Node only offers them as one display string, and programs that split such strings have taken a comma inside of a
 * name for the beginning of another one (CVE-2021-44532). A name with anything but visible ASCII is left out.
 */

/** Names of one certificate, as they are written in it. */
export interface SubjectAltNames {
  readonly dns: readonly string[];
  readonly uris: readonly string[];
}

const SEQUENCE = 0x30;
const OBJECT_IDENTIFIER = 0x06;
const OCTET_STRING = 0x04;
/** `[3] EXPLICIT Extensions` of a TBSCertificate. */
const EXTENSIONS = 0xa3;
/** Choices of GeneralName, implicitly tagged IA5Strings. */
const DNS_NAME = 0x82;
const URI = 0x86;
/** 2.5.29.17. */
const SUBJECT_ALT_NAME = Buffer.from([0x55, 0x1d, 0x11]);

interface Element {
  readonly tag: number;
  readonly content: Buffer;
}

/**
 * Reads the names.
 *
 * Does not verify anything: whoever hands in a peer's certificate has had its chain verified.
 *
 * @param der  a certificate
 * @returns no names when there is no such extension, or when the bytes are not a certificate
 */
export function subjectAltNames(der: Buffer): SubjectAltNames {
  const dns: string[] = [];
  const uris: string[] = [];
  for (const { tag, content } of elements(sequence(namesExtension(der)))) {
    const text = content.toString('latin1');
    if (!/^[\x21-\x7e]+$/.test(text)) continue;
    if (tag === DNS_NAME) dns.push(text);
    else if (tag === URI) uris.push(text);
  }
  return { dns, uris };
}

/** The content of the extension; empty when there is none. */
function namesExtension(der: Buffer): Buffer {
  const [tbsCertificate] = elements(sequence(der));
  const extensions = elements(tbsCertificate?.content ?? EMPTY).find(({ tag }) => tag === EXTENSIONS);
  for (const { content } of elements(sequence(extensions?.content ?? EMPTY))) {
    const parts = elements(content);
    const [id] = parts;
    if (id?.tag === OBJECT_IDENTIFIER && id.content.equals(SUBJECT_ALT_NAME)) {
      return parts.find(({ tag }) => tag === OCTET_STRING)?.content ?? EMPTY;
    }
  }
  return EMPTY;
}

const EMPTY = Buffer.alloc(0);

/** The content of the one SEQUENCE that the bytes are; empty when they are something else. */
function sequence(der: Buffer): Buffer {
  const [only] = elements(der);
  return only?.tag === SEQUENCE ? only.content : EMPTY;
}

/** The elements that follow each other in `der`, up to the first that is not whole. */
function elements(der: Buffer): Element[] {
  const found: Element[] = [];
  let offset = 0;
  while (offset + 2 <= der.length) {
    const tag = der.readUInt8(offset);
    let length = der.readUInt8(offset + 1);
    offset += 2;
    if (length > 0x80) {
      const lengthBytes = length - 0x80;
      if (lengthBytes > 3 || offset + lengthBytes > der.length) break;
      length = der.readUIntBE(offset, lengthBytes);
      offset += lengthBytes;
    }
    if (length === 0x80 || offset + length > der.length) break;
    found.push({ tag, content: der.subarray(offset, offset + length) });
    offset += length;
  }
  return found;
}
