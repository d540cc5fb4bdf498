/**
 * Certificates for tests: a CA and what it issues, created in the process in a millisecond, so that a test can use any
 * name, any date and any malformed extension that it needs. ECDSA P-256 throughout.
 */

import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface CertificateRequest {
  /** DNS names and IP addresses. */
  readonly names?: readonly string[];
  readonly uris?: readonly string[];
  /** Common name; several values make several CN attributes. Default: the first name. */
  readonly commonName?: string | readonly string[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

export interface IssuedCertificate {
  /** PEM: the leaf, then its issuer if that is not the root. */
  readonly certificate: string;
  /** PEM, PKCS #8. */
  readonly key: string;
}

const DAY_MS = 86_400_000;

/** A certificate authority. */
export class TestAuthority {
  /** PEM. */
  readonly certificate: string;
  readonly #key: KeyObject;
  readonly #name: Buffer;

  constructor(commonName = 'Test authority') {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#key = privateKey;
    this.#name = distinguishedName([commonName]);
    this.certificate = pem(
      'CERTIFICATE',
      this.#certificate(
        this.#name,
        createPublicKey(privateKey as never),
        new Date(Date.now() - DAY_MS),
        new Date(Date.now() + 30 * DAY_MS),
        [
          extension('551d13', true, sequence(tlv(0x01, Buffer.from([0xff])))),
          extension('551d0f', true, tlv(0x03, Buffer.from([0x01, 0x06]))),
        ],
      ),
    );
  }

  /** Issues a certificate for a new key. */
  issue(request: CertificateRequest): IssuedCertificate {
    const {
      names = [],
      uris = [],
      notBefore = new Date(Date.now() - DAY_MS),
      notAfter = new Date(Date.now() + DAY_MS),
    } = request;
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const commonNames = [request.commonName ?? names[0] ?? 'nobody'].flat();
    const altNames = [...names.map(generalName), ...uris.map((uri) => tlv(0x86, Buffer.from(uri, 'latin1')))];
    const der = this.#certificate(
      distinguishedName(commonNames),
      createPublicKey(privateKey as never),
      notBefore,
      notAfter,
      [...(altNames.length === 0 ? [] : [extension('551d11', false, sequence(...altNames))])],
    );
    return { certificate: pem('CERTIFICATE', der), key: privateKey.export({ type: 'pkcs8', format: 'pem' }) };
  }

  #certificate(subject: Buffer, publicKey: KeyObject, notBefore: Date, notAfter: Date, extensions: Buffer[]): Buffer {
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    const keyId = createHash('sha1').update(spki).digest();
    const all = [...extensions, extension('551d0e', false, tlv(0x04, keyId))];
    const tbs = sequence(
      tlv(0xa0, integer(Buffer.from([2]))),
      integer(Buffer.concat([Buffer.from([0x01]), randomBytes(15)])),
      ECDSA_WITH_SHA256,
      this.#name,
      sequence(time(notBefore), time(notAfter)),
      subject,
      spki,
      tlv(0xa3, sequence(...all)),
    );
    return sequence(
      tbs,
      ECDSA_WITH_SHA256,
      tlv(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', tbs, this.#key)])),
    );
  }
}

/** A directory of certificate files that is removed at the end of a test. */
export class CertificateFiles implements Disposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'sallyport-tls-'));

  /** Writes `<name>.crt` and `<name>.key`, and returns their paths. */
  write(name: string, { certificate, key }: IssuedCertificate): { certFile: string; keyFile: string } {
    const files = { certFile: join(this.directory, `${name}.crt`), keyFile: join(this.directory, `${name}.key`) };
    writeFileSync(files.certFile, certificate);
    writeFileSync(files.keyFile, key);
    return files;
  }

  /** Writes any other file, and returns its path. */
  text(name: string, text: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, text);
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function tlv(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size =
    length < 0x80
      ? Buffer.from([length])
      : length < 0x100
        ? Buffer.from([0x81, length])
        : Buffer.from([0x82, length >> 8, length & 0xff]);
  return Buffer.concat([Buffer.from([tag]), size, content]);
}

const sequence = (...parts: Buffer[]) => tlv(0x30, Buffer.concat(parts));
const integer = (bytes: Buffer) => tlv(0x02, bytes);
const oid = (hex: string) => tlv(0x06, Buffer.from(hex, 'hex'));
/** 1.2.840.10045.4.3.2. */
const ECDSA_WITH_SHA256 = sequence(oid('2a8648ce3d040302'));

const extension = (id: string, isCritical: boolean, value: Buffer) =>
  sequence(oid(id), ...(isCritical ? [tlv(0x01, Buffer.from([0xff]))] : []), tlv(0x04, value));

const distinguishedName = (commonNames: readonly string[]) =>
  sequence(...commonNames.map((name) => tlv(0x31, sequence(oid('550403'), tlv(0x0c, Buffer.from(name))))));

function generalName(name: string): Buffer {
  if (isIP(name) === 4) return tlv(0x87, Buffer.from(name.split('.').map(Number)));
  return tlv(0x82, Buffer.from(name, 'latin1'));
}

/** UTCTime (RFC 5280 §4.1.2.5.1). */
const time = (date: Date) => tlv(0x17, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`));

const pem = (label: string, der: Buffer) =>
  `-----BEGIN ${label}-----\n${der.toString('base64').replace(/.{64}/g, '$&\n').replace(/\n$/, '')}\n-----END ${label}-----\n`;
