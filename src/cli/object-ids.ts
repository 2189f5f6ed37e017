/** The ids that a command was given: on its command line and, for `-`, on standard input. */
import { identifierFault } from '../contract/identifier.ts';
import { usageFailure } from './command-failure.ts';

/** Ids of one request; more are asked for in several. A hundred documents of the default limit are 100 MiB. */
const BATCH_IDS_MAX = 100;

/**
 * The ids, in batches that are given on as soon as they are there.
 *
 * A line of standard input is an id, or a JSON object with a member `id`, as `holdfast list` and `load` print them.
 *
 * @throws CommandFailure if there is none, or one cannot be an id.
 */
export async function* objectIds(values: readonly string[]): AsyncGenerator<string[]> {
  if (values.length === 0)
    throw usageFailure('no id was given', 'Give ids, or - to read them from standard input');
  const given = values.filter((value) => value !== '-');
  yield* batches(given.map(checkedId));
  if (!values.includes('-')) return;
  let rest = '';
  process.stdin.setEncoding('utf8');
  for await (const chunk of process.stdin) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    yield* batches(lines.flatMap(idOfLine));
  }
  yield* batches(idOfLine(rest));
}

function* batches(ids: readonly string[]): Generator<string[]> {
  for (let from = 0; from < ids.length; from += BATCH_IDS_MAX) yield ids.slice(from, from + BATCH_IDS_MAX);
}

function idOfLine(text: string): string[] {
  const line = text.replace(/\r$/, '');
  if (line.trim() === '') return [];
  if (line.startsWith('{')) {
    try {
      const { id } = JSON.parse(line) as { id?: unknown };
      if (typeof id === 'string') return [checkedId(id)];
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return [checkedId(line)];
}

/** The id itself. @throws CommandFailure if it cannot be one. */
export function checkedId(id: string): string {
  const fault = identifierFault(id);
  if (fault === undefined) return id;
  throw usageFailure(`the id ${JSON.stringify(id.slice(0, 80))} ${fault}`, 'Ids have 1 to 255 characters');
}
