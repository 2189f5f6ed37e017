/** The objects that every contender writes: the same ids and the same bytes in every process, made from a number. */

export const OBJECT_TYPE = 'UserProfile';

/** Versions look like those of the client: microseconds of 2025. */
export const BASE_VERSION = 1_763_894_400_000_000;

/** The finalizer of MurmurHash3: every number has an image of its own, so no two objects have one id. */
function mix32(value: number): number {
  let h = value >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Scattered over the index as ids with random parts are, not ascending as a loop would make them. */
export function idOf(index: number): string {
  const high = mix32(index ^ 0x9e3779b9)
    .toString(16)
    .padStart(8, '0');
  const low = mix32(index).toString(16).padStart(8, '0');
  return `${OBJECT_TYPE}-${high}${low}`;
}

const WORDS =
  'time year people way day man thing woman life child world school state family student group country problem hand part place case week company system program question work number night point home water room mother area money story fact month lot right study book eye job word business issue side kind head house service friend father power hour game line end member law car city community name president team minute idea body information back parent face level office door health person art war history party result change morning reason research girl guy moment air teacher force education'.split(
    ' ',
  );

/** Long enough for the largest document; starts at different places make different documents. */
const TEXT = makeText(128 * 1_024);
const TEXT_STARTS = 64 * 1_024;

function makeText(bytes: number): string {
  const parts: string[] = [];
  let length = 0;
  for (let i = 0; length < bytes; i += 1) {
    const word = WORDS[mix32(i) % WORDS.length] ?? '';
    // A number now and then keeps compression to what it is with real text.
    const part = i % 4 === 0 ? `${word}${mix32(i + 1) % 1_000} ` : `${word} `;
    parts.push(part);
    length += part.length;
  }
  return parts.join('').slice(0, bytes);
}

/** A JSON object of exactly so many bytes, all ASCII. `revision` makes the states of one object differ. */
export function documentOf(index: number, revision: number, bytes: number): string {
  const r = mix32(index * 31 + revision);
  const head =
    `{"username":"user-${index}","email":"user-${index}@example.com","score":${revision},"level":${r % 100},` +
    `"online":${r % 2 === 0},"position":{"x":${(r % 10_000) / 100},"y":${((r >>> 8) % 10_000) / 100}},` +
    `"tags":["${WORDS[r % WORDS.length]}","${WORDS[(r >>> 4) % WORDS.length]}"],"about":"`;
  const room = bytes - head.length - 2;
  if (room < 0 || room > TEXT_STARTS)
    throw new RangeError(`documents of ${bytes} bytes are beyond the generator`);
  const start = r % TEXT_STARTS;
  return `${head}${TEXT.slice(start, start + room)}"}`;
}
