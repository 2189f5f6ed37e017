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
 * @param signal ends the reading; what was read by then is given on.
 * @throws CommandFailure if there is none, or one cannot be an id.
 */
export async function* objectIds(values: readonly string[], signal: AbortSignal): AsyncGenerator<string[]> {
  if (values.length === 0)
    throw usageFailure('no id was given', 'Give ids, or - to read them from standard input');
  const given = values.filter((value) => value !== '-');
  yield* batches(given.map(checkedId));
  if (!values.includes('-')) return;
  const { stdin } = process;
  const stop = (): void => void stdin.destroy();
  signal.addEventListener('abort', stop);
  let rest = '';
  stdin.setEncoding('utf8');
  try {
    for await (const chunk of stdin) {
      const lines = (rest + String(chunk)).split('\n');
      rest = lines.pop() ?? '';
      yield* batches(lines.flatMap(idOfLine));
    }
  } catch (error) {
    // Half a line is no id.
    if (signal.aborted) return;
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
  if (!signal.aborted) yield* batches(idOfLine(rest));
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
