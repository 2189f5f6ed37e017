/** Changes one letter in an editor and replays what it is then. */
import { loadTypes } from '../../config/load-types.ts';
import type { LetterForecast } from '../../dead-letters/forecast.ts';
import type { EditedLetter } from '../../dead-letters/replay-edited.ts';
import type { ReplayLink } from '../../dead-letters/replay-link.ts';
import type { ReplayOutcome } from '../../dead-letters/replay-run.ts';
import type { Connection } from '../../store/connection.ts';
import type { WholeLetter } from '../../store/stored-letter.ts';
import { ask, canAsk } from '../ask.ts';
import type { CommandContext } from '../command-definition.ts';
import { CommandFailure } from '../command-failure.ts';
import type { ReplayFlags } from '../commands/dead-letters/replay.ts';
import { EXIT_CODES, type ExitCode } from '../exit-code.ts';
import { editLines, forgetLines, keepLines } from './edit-lines.ts';
import { namedFilter } from './letter-flags.ts';
import { whoRuns, withLettersAlone } from './with-letters.ts';

type Context = CommandContext<ReplayFlags>;

/** @throws CommandFailure if there is no such letter, the editor fails, or what it is then is still invalid. */
export async function editAndReplay(
  context: Context,
  name: string,
  openLink: (context: Context) => Promise<ReplayLink>,
): Promise<ExitCode> {
  const { options, output, json } = context;
  return await withLettersAlone(options, 'replay', async (connection) => {
    const original = await findOpen(connection, context, name);
    const forecast = await editUntilValid(connection, context, original);
    if (forecast === undefined) {
      if (json) await output.printJson({ number: original.number, outcome: null });
      else await output.print('nothing was changed, and nothing sent');
      return EXIT_CODES.ok;
    }
    const { CLOSING_OUTCOMES } = await import('../../dead-letters/replay-run.ts');
    const outcome = await keptUntil(
      context,
      original,
      forecast.letter.body,
      () => send(connection, context, openLink, { original, forecast }),
      // What is rejected is in a new letter.
      (reached) => CLOSING_OUTCOMES.includes(reached),
    );
    if (json) await output.printJson({ number: original.number, outcome });
    else await output.print(`letter ${original.number}, as edited: ${outcome}`);
    return outcome === 'applied' || outcome === 'superseded' ? EXIT_CODES.ok : EXIT_CODES.badInput;
  });
}

async function send(
  connection: Connection,
  context: Context,
  openLink: (context: Context) => Promise<ReplayLink>,
  edited: EditedLetter,
): Promise<ReplayOutcome> {
  const { replayEdited } = await import('../../dead-letters/replay-edited.ts');
  const link = await openLink(context);
  try {
    return await replayEdited(connection, link, edited, { ...context.options, audit: { who: whoRuns() } });
  } finally {
    await link.close();
  }
}

/** Keeps what a person has written in a file until it is somewhere else as well, and names it if it never is. */
async function keptUntil<T>(
  { output }: Context,
  { number }: WholeLetter,
  bytes: Buffer,
  run: () => Promise<T>,
  isDone: (result: T) => boolean,
): Promise<T> {
  const file = keepLines(`letter-${number}.ndjson`, bytes);
  let done = false;
  try {
    const result = await run();
    done = isDone(result);
    return result;
  } finally {
    if (done) forgetLines(file);
    else output.note(`what you have written is kept in ${file}`);
  }
}

async function findOpen(connection: Connection, { flags }: Context, name: string): Promise<WholeLetter> {
  const { takeLetters } = await import('../../store/take-letters.ts');
  const filter = await namedFilter(connection, flags, [name]);
  const [letter] = await takeLetters(connection, filter, undefined, { lettersMax: 1, bytesMax: 0 });
  if (letter !== undefined) return letter;
  throw new CommandFailure(
    EXIT_CODES.badInput,
    `letter ${name} is none of those asked for`,
    'Leave the filters out',
  );
}

/** What is to be sent; `undefined` if nothing was changed, or everything taken out. */
async function editUntilValid(
  connection: Connection,
  context: Context,
  original: WholeLetter,
): Promise<LetterForecast | undefined> {
  const { Forecaster } = await import('../../dead-letters/forecast.ts');
  const schemas = await loadTypes(context.options.types);
  let bytes = original.body;
  for (;;) {
    bytes = await editLines(`letter-${original.number}.ndjson`, bytes);
    if (bytes.equals(original.body) || bytes.toString('latin1').trim() === '') return undefined;
    // Whatever it was published as: what a person has written is a frame of this version.
    const letter: WholeLetter = { ...original, body: bytes, messageType: null };
    const [forecast] = await new Forecaster(connection, { ...context.options, schemas }).forecast([letter]);
    const fault = forecast === undefined ? 'nothing could be read' : faultText(forecast, context);
    if (fault === undefined) return forecast;
    if (!canAsk() || !(await ask(`${fault}. Edit again?`))) {
      const file = keepLines(`letter-${original.number}.ndjson`, bytes);
      context.output.note(`what you have written is kept in ${file}`);
      throw new CommandFailure(
        EXIT_CODES.badInput,
        `nothing was sent: ${fault}`,
        'The letter is as it was; edit it again',
      );
    }
  }
}

/** Why an edited letter may not be sent; `undefined` if it may. */
function faultText({ outcome, reason, content }: LetterForecast, { flags }: Context): string | undefined {
  const [invalid] = content.invalid;
  if (outcome === 'invalid' || outcome === 'unheard') return `it is still invalid: ${reason ?? ''}`;
  // Beside valid commands it would come back as a letter; somebody who edits wants to know now.
  if (invalid !== undefined) return `it is still invalid: ${invalid.error.message} (${invalid.error.code})`;
  if (outcome === 'too-old' && flags.force !== true)
    return `${reason ?? 'it is too old'}; --force sends it all the same`;
  return undefined;
}
