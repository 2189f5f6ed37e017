/** `holdfast dead-letters show`: everything about one letter, and what a replay of it would do. */
import { loadTypes } from '../../../config/load-types.ts';
import type { LetterForecast } from '../../../dead-letters/forecast.ts';
import type { Connection } from '../../../store/connection.ts';
import type { ObjectDetails } from '../../../store/object-details.ts';
import { isOpen, type WholeLetter } from '../../../store/stored-letter.ts';
import type { CommandContext, CommandDefinition } from '../../command-definition.ts';
import { bodyLines, harmless } from '../../dead-letters/body-text.ts';
import { letterName, noSuchLetter } from '../../dead-letters/letter-flags.ts';
import { withLetters } from '../../dead-letters/with-letters.ts';
import { EXIT_CODES, type ExitCode } from '../../exit-code.ts';
import { bytesText, durationText, versionTime } from '../../number-text.ts';
import { alignedLines } from '../../text-table.ts';

interface ShowFlags {
  readonly body?: boolean;
}

type Context = CommandContext<ShowFlags>;

/** Objects of a whole frame whose state is shown. */
const OBJECTS_SHOWN = 5;
/** Lines of the body that are shown. */
const LINES_SHOWN = 500;

export const SHOW_LETTER: CommandDefinition<ShowFlags> = {
  name: 'show',
  summary: 'show everything about one letter',
  description:
    'Shows a letter with all of its headers, its commands laid out, what is stored of its objects now, and what a ' +
    'replay would do. With --body it writes the bytes as they came.',
  positional: { syntax: '<letter>', meaning: 'number or id of the letter' },
  examples: [
    ['holdfast dead-letters show 17', 'everything about letter 17'],
    ['holdfast dead-letters show 17 --body > letter-17', 'its bytes as they came'],
  ],
  exits: ['badInput', 'unavailable', 'outputFailed'],
  shown: { names: ['databaseUrl', 'documentBytesMax', 'types'] },
  json: 'choice',
  configure: (command) => {
    command.option('--body', 'write the bytes of the letter and nothing else');
  },
  run: runShow,
};

/** What is stored of an object that the letter names. */
interface NamedObject extends ObjectDetails {
  readonly id: string;
}

async function runShow(context: Context, [text = '']: readonly string[]): Promise<ExitCode> {
  const { flags, options, output, json } = context;
  const name = letterName(text);
  return await withLetters(options, 'dead-letters', async (connection) => {
    const { findLetter } = await import('../../../store/find-letter.ts');
    const letter = await findLetter(connection, name);
    if (letter === undefined) throw noSuchLetter(text);
    if (flags.body === true) {
      await output.write(letter.body);
      return EXIT_CODES.ok;
    }
    const { Forecaster } = await import('../../../dead-letters/forecast.ts');
    const schemas = await loadTypes(options.types);
    const [forecast] = await new Forecaster(connection, { ...options, schemas }).forecast([letter]);
    const objects = await namedObjects(connection, letter, forecast);
    await (json ? printJson(context, letter, forecast, objects) : print(context, letter, forecast, objects));
    return EXIT_CODES.ok;
  });
}

async function namedObjects(
  connection: Connection,
  { objectId }: WholeLetter,
  forecast: LetterForecast | undefined,
): Promise<NamedObject[]> {
  const { readObjectDetails } = await import('../../../store/object-details.ts');
  const ids = new Set(forecast?.content.writes.map(({ command }) => command.id));
  if (objectId !== null) ids.add(objectId);
  const objects: NamedObject[] = [];
  for (const id of [...ids].slice(0, OBJECTS_SHOWN)) {
    objects.push({ id, ...(await readObjectDetails(connection, id, false)) });
  }
  return objects;
}

async function printJson(
  { output }: Context,
  { body, ...fields }: WholeLetter,
  forecast: LetterForecast | undefined,
  objects: readonly NamedObject[],
): Promise<void> {
  await output.printJson({
    ...fields,
    state: stateOf(fields),
    body: body.toString('utf8'),
    bodyBase64: body.toString('base64'),
    replay: forecast === undefined ? null : { outcome: forecast.outcome, reason: forecast.reason ?? null },
    objects: objects.map(({ id, row, tombstone }) => ({
      id,
      row: row ?? null,
      tombstone: tombstone ?? null,
    })),
  });
}

function stateOf(letter: Pick<WholeLetter, 'replayedAt' | 'droppedAt'>): 'open' | 'replayed' | 'dropped' {
  if (letter.droppedAt !== null) return 'dropped';
  return letter.replayedAt === null ? 'open' : 'replayed';
}

async function print(
  { output }: Context,
  letter: WholeLetter,
  forecast: LetterForecast | undefined,
  objects: readonly NamedObject[],
): Promise<void> {
  const now = Date.now();
  const ago = (time: string | null): string =>
    time === null ? '-' : `${time.slice(0, 23)}Z, ${durationText(now - Date.parse(time))} ago`;
  const rows: [string, string][] = [
    ['id', letter.letterId],
    ['code', letter.code],
    ['reason', harmless(letter.message ?? '-')],
    ['failed', ago(letter.failedAt)],
    ['published', ago(letter.publishedAt)],
    ['object', harmless(letter.objectId ?? '(a whole frame)')],
    ['type', harmless(letter.objectType ?? '-')],
    ['version', letter.version === null ? '-' : versionText(letter.version)],
    ['partition', letter.partition ?? '-'],
    ['node', harmless(letter.node ?? '-')],
    ['size', bytesText(letter.bytes)],
    ['state', stateText(letter)],
    ...Object.entries(letter.headers)
      .filter(([name]) => !SHOWN_HEADERS.has(name))
      .map(([name, value]): [string, string] => [harmless(name), harmless(valueText(value))]),
  ];
  await output.print(output.paint('bold', `letter ${letter.number}`), ...indented(alignedLines(rows)), '');
  const lines = bodyLines(letter.body);
  const left = lines.length - LINES_SHOWN;
  await output.print(
    ...lines.slice(0, LINES_SHOWN),
    ...(left > 0 ? [`(${left} more lines; --body writes all)`] : []),
  );
  await output.print('', 'stored now:', ...indented(objects.map(storedText)));
  if (objects.length === 0) await output.print('  nothing that the letter names');
  if (forecast !== undefined && isOpen(letter)) {
    await output.print(
      '',
      `a replay: ${REPLAY_TEXTS[forecast.outcome]}${forecast.reason === undefined ? '' : `: ${harmless(forecast.reason)}`}`,
    );
  }
}

/** Told by a row of their own. */
const SHOWN_HEADERS = new Set(
  [
    'code',
    'message',
    'letter-id',
    'failed-at',
    'published-at',
    'object-id',
    'object-type',
    'version',
    'partition',
    'node',
  ].map((name) => `holdfast-${name}`),
);

const REPLAY_TEXTS: Readonly<Record<LetterForecast['outcome'], string>> = {
  applied: 'would apply, as far as can be told without trying',
  superseded: 'would be superseded, since something newer is stored',
  fenced: 'would be fenced, since the object was claimed with a higher epoch',
  conflict: 'would be in conflict with what is stored',
  invalid: 'would be rejected again',
  unheard: 'would do nothing',
  'too-old': 'would be left out without --force',
};

function stateText(letter: WholeLetter): string {
  const { replayAttempts, replayOutcome, attemptedAt } = letter;
  const tried =
    replayAttempts === 0
      ? ''
      : `; replayed ${replayAttempts === 1 ? 'once' : `${replayAttempts} times`}, last at ${attemptedAt?.slice(0, 19)}Z: ${replayOutcome}`;
  return `${stateOf(letter)}${tried}`;
}

function storedText({ id, row, tombstone }: NamedObject): string {
  const name = harmless(id);
  if (row !== undefined) {
    return `${name}: live, type ${harmless(row.type)}, version ${versionText(row.version)}, epoch ${row.epoch}`;
  }
  if (tombstone === undefined) return `${name}: nothing`;
  const { version, epoch } = tombstone;
  return `${name}: ${version === 0 ? 'never stored' : `deleted at version ${versionText(version)}`}, epoch ${epoch}`;
}

function versionText(version: number): string {
  const time = versionTime(version);
  return time === undefined ? String(version) : `${version} (${time})`;
}

function valueText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
