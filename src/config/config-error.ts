/** The error of every way in which a configuration can be wrong: one line, and never a secret. */
import { HoldfastError } from '../contract/errors.ts';

/** Longest value quoted back; enough to recognise it. */
const QUOTED_CHARACTERS_MAX = 80;

/** @returns `CONFIG_INVALID`, not retryable; line breaks in `message` become spaces. */
export function configError(message: string, cause?: unknown): HoldfastError {
  return new HoldfastError('CONFIG_INVALID', message.replaceAll(/\s*[\r\n]+\s*/g, ' ').trim(), {
    scope: 'process',
    retryable: false,
    cause,
  });
}

/** A value as it is quoted in a message: on one line, cut if it is long. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= QUOTED_CHARACTERS_MAX ? text : `${text.slice(0, QUOTED_CHARACTERS_MAX)}...`;
}

/** What the operating system says about a file that cannot be read, without the path, which the caller names. */
export function fileFault(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'does not exist';
  if (code === 'EACCES') return 'may not be read by this user';
  if (code === 'EISDIR') return 'is a folder';
  return `cannot be read (${code ?? String(error)})`;
}
