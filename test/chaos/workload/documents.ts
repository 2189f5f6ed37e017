/**
 * Documents that can be told from any other: each carries its object, version and nonce, and content made from these,
 * so that whoever reads one finds out whether it is whole, and whose it is.
 */
import { subSeed } from './random.ts';

/** Beyond 2^53: lost by whoever parses and restringifies. */
const BIG_INTEGER = '12345678901234567890';

/** The text of a document of about `bytes` bytes. */
export function documentText(object: number, version: number, nonce: number, bytes: number): string {
  const pad = padOf(object, version, nonce, bytes);
  return `{"o":${object},"v":${version},"n":${nonce},"b":${bytes},"big":${BIG_INTEGER},"name":"Zoë 漢字 😀 \\"x\\"","pad":"${pad}"}`;
}

/** What a document, as PostgreSQL renders it, says it is; `intact` if all of it is as it was issued. */
export function readDocument(
  text: string,
  object: number,
  version: number,
): { nonce: number; intact: boolean } {
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return { nonce: 0, intact: false };
  }
  const { o, v, n, b, name, pad } = parsed;
  const nonce = typeof n === 'number' ? n : 0;
  const intact =
    o === object &&
    v === version &&
    name === 'Zoë 漢字 😀 "x"' &&
    text.includes(BIG_INTEGER) &&
    pad === padOf(object, version, nonce, Number(b));
  return { nonce, intact };
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789 ABCDEFGHIJKLMNOPQRSTUVWXYZ.,';
/** Cut into at any place; long enough for the longest usual document. */
const TEXT = Array.from({ length: 8_192 }, (_, at) => ALPHABET[subSeed(7, at) % ALPHABET.length]).join('');

function padOf(object: number, version: number, nonce: number, bytes: number): string {
  const mark = subSeed(object, Math.floor(version / 4_294_967_296), version, nonce);
  const wanted = Math.max(0, bytes - 120);
  const from = mark % 4_096;
  const text =
    wanted <= 4_096
      ? TEXT.slice(from, from + wanted)
      : TEXT.repeat(Math.ceil(wanted / 8_192)).slice(0, wanted);
  return `${mark}:${text}`;
}

const CLAIM_PREFIX = '00000000-0000-4000-8000-';

/** The claim id with a number. */
export function claimIdOf(number: number): string {
  return CLAIM_PREFIX + number.toString(16).padStart(12, '0');
}

/** FNV-1a, 32 bits. */
export function hashBytes(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
