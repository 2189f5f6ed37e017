/** Lets a person change bytes in the editor of their choice. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { CommandFailure } from '../command-failure.ts';
import { EXIT_CODES } from '../exit-code.ts';
import { onEndSignal } from '../signals.ts';

/**
 * Opens the editor on the bytes and returns what is there when it ends. The file is readable by nobody else, and gone
 * afterwards.
 *
 * @throws CommandFailure if the editor fails.
 */
export async function editLines(name: string, bytes: Buffer): Promise<Buffer> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-edit-'));
  const file = join(folder, name);
  // Ctrl-C is for the editor; we go on to take the file away.
  const removeHandlers = onEndSignal(() => undefined);
  try {
    writeFileSync(file, bytes, { mode: 0o600 });
    // As git does it: the editor may be given with arguments, which the shell takes apart.
    // oxlint-disable-next-line no-template-curly-in-string -- for the shell
    const script = '${VISUAL:-${EDITOR:-vi}} "$1"';
    const editor = spawn('sh', ['-c', script, 'sh', file], { stdio: 'inherit' });
    const [code] = (await once(editor, 'exit')) as [number | null];
    if (code !== 0) {
      throw new CommandFailure(
        EXIT_CODES.badInput,
        `the editor ended with ${code ?? 'a signal'}; nothing was changed`,
        'Set VISUAL or EDITOR to one that works',
      );
    }
    return readFileSync(file);
  } finally {
    removeHandlers();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Keeps what a person has written where nobody else can read it; returns the file. */
export function keepLines(name: string, bytes: Buffer): string {
  const file = join(mkdtempSync(join(tmpdir(), 'holdfast-edited-')), name);
  writeFileSync(file, bytes, { mode: 0o600 });
  return file;
}

/** Takes away what `keepLines` has kept. */
export function forgetLines(file: string): void {
  rmSync(dirname(file), { recursive: true, force: true });
}
