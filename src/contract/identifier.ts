/** What may be an object id or an object type: 1 to 255 code points, well-formed Unicode, no U+0000. */
import { IDENTIFIER_CHARACTERS_MAX } from './limits.ts';

/**
 * Says what is wrong with an identifier, or `undefined` if nothing is.
 *
 * A lone surrogate would become U+FFFD in a text parameter, so two different ids would name one row; U+0000 cannot be
 * stored in text at all.
 */
export function identifierFault(value: string): string | undefined {
  if (value.length === 0) return 'is empty';
  // UTF-16 units are never fewer than code points, so only longer strings need counting.
  if (value.length > IDENTIFIER_CHARACTERS_MAX && codePointsExceed(value, IDENTIFIER_CHARACTERS_MAX)) {
    return `has more than ${IDENTIFIER_CHARACTERS_MAX} characters`;
  }
  if (!value.isWellFormed()) return 'has a lone surrogate';
  if (value.includes('\0')) return 'has a U+0000';
  return undefined;
}

function codePointsExceed(value: string, limit: number): boolean {
  if (value.length > 2 * limit) return true;
  let count = 0;
  for (const _ of value) count += 1;
  return count > limit;
}
