/** What `toThrow` is given where a `ContractError` of one code is due. */
import { expect } from 'vitest';
import type { RejectCode } from '../../src/contract/errors.ts';

export function contractError(code: RejectCode): Error {
  return expect.objectContaining({ name: 'ContractError', code }) as Error;
}
