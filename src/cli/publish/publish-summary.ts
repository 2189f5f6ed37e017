/** How a publish went: one line, or one object of JSON, and the exit code. */
import type { CommandContext } from '../command-definition.ts';
import { CommandFailure } from '../command-failure.ts';
import { EXIT_CODES, type ExitCode } from '../exit-code.ts';
import { countText, durationText, plural, rateText } from '../number-text.ts';
import type { PublishRun, Tally } from './publish-run.ts';

export interface SummaryFlags {
  readonly until: 'confirmed' | 'persisted';
  readonly dryRun?: boolean;
}

export interface Course {
  readonly durationMs: number;
  readonly interrupted: boolean;
}

/** @throws what ended it early, after the summary was printed. */
export async function printSummary(
  { flags, output, json }: CommandContext<SummaryFlags>,
  { tally, inputFault, generalError }: PublishRun,
  { durationMs, interrupted }: Course,
): Promise<ExitCode> {
  const dryRun = flags.dryRun === true;
  const { saves, deletes, bad, failed, unknown, bytes } = tally;
  if (json) {
    const secondsTaken = Math.round(durationMs) / 1_000;
    const published = dryRun ? 0 : saves + deletes;
    await output.printJson({
      published,
      saves,
      deletes,
      bad,
      failed,
      unknown,
      bytes,
      seconds: secondsTaken,
      until: flags.until,
      dryRun,
      interrupted,
    });
  } else {
    await output.print(
      `${interrupted ? 'interrupted: ' : ''}${dryRun ? 'checked' : 'published'} ${doneText(tally)} in ` +
        `${durationText(durationMs)} (${rateText(saves + deletes, durationMs)}), ${plural(bad, 'bad line')}, ` +
        (dryRun ? 'nothing was sent' : `${countText(failed)} failed`) +
        (unknown > 0 ? `, ${countText(unknown)} of unknown fate` : ''),
    );
  }
  if (interrupted) return EXIT_CODES.unfinished;
  if (generalError !== undefined) throw generalError;
  if (inputFault !== undefined) {
    const advice = 'What stands before was handled; correct the rest and publish again';
    throw new CommandFailure(EXIT_CODES.badInput, inputFault, advice);
  }
  return bad + failed + unknown > 0 ? EXIT_CODES.badInput : EXIT_CODES.ok;
}

/** `147,043 objects`, or with deletes `147,000 objects and 43 deletes`. */
function doneText({ saves, deletes }: Tally): string {
  const objects = plural(saves, 'object');
  return deletes === 0 ? objects : `${objects} and ${plural(deletes, 'delete')}`;
}
