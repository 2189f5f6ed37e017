/** `holdfast list`: prints the objects of a type, page by page. */
import type { ListPage } from '../../client/results.ts';
import { HoldfastError } from '../../contract/errors.ts';
import { LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX } from '../../contract/limits.ts';
import type { CommandContext, CommandDefinition } from '../command-definition.ts';
import { EXIT_CODES, type ExitCode } from '../exit-code.ts';
import { millisecondsOf, seconds, wholeNumber } from '../flag-values.ts';
import { objectLine } from '../object-line.ts';
import { type Client, withClient } from '../open-client.ts';

interface ListFlags {
  readonly after?: string;
  readonly limit?: number;
  readonly all?: boolean;
  readonly documents?: boolean;
  readonly timeout: number;
}

/**
 * Objects of one request: without documents as many as there may be, with them so many that even the largest of the
 * default limit are no more than 100 MiB. Where a higher limit lets them be larger, fewer are asked for.
 */
const PAGE_OBJECTS = LIST_LIMIT_MAX;
const PAGE_DOCUMENTS = 100;

export const LIST: CommandDefinition<ListFlags> = {
  name: 'list',
  summary: 'print the objects of a type',
  description:
    'Prints one line of JSON for each object of a type, in the order of the bytes of their ids: id, type, version and ' +
    'epoch, and with --documents the document. It sees what is committed. Says on standard error if there are more.',
  positional: { syntax: '<type>', meaning: 'type of the objects' },
  examples: [
    ['holdfast list ChatRoom --limit 10', 'the first ten'],
    ['holdfast list ChatRoom --after ChatRoom-General --limit 10', 'the ten behind that one'],
    ['holdfast list UserProfile --all --documents > users.ndjson', 'everything'],
  ],
  exits: ['unavailable', 'outputFailed'],
  shown: { names: ['amqpUrl', 'prefix'] },
  json: 'always',
  configure: (command) => {
    command
      .option('--after <id>', 'begin behind this id')
      .option('--limit <n>', `print at most so many (default: ${LIST_LIMIT_DEFAULT})`, wholeNumber(1))
      .option('--all', 'print all, however many there are')
      .option('--documents', 'print the documents too')
      .option('--timeout <seconds>', 'longest wait for the answer of a worker', seconds(0.1, 3_600), 30);
  },
  run: runList,
};

async function runList(
  context: CommandContext<ListFlags>,
  [type = '']: readonly string[],
): Promise<ExitCode> {
  const { flags, output } = context;
  const documents = flags.documents === true;
  const limit = flags.limit ?? (flags.all === true ? Number.POSITIVE_INFINITY : LIST_LIMIT_DEFAULT);
  return await withClient(context, async (client) => {
    const pages = new Pages(client, type, documents, millisecondsOf(flags.timeout));
    let { after } = flags;
    let left = limit;
    for (;;) {
      const page = await pages.read(after, left);
      await output.print(...page.objects.map(objectLine));
      left -= page.objects.length;
      after = page.objects.at(-1)?.id ?? after;
      if (!page.more || output.closed) return EXIT_CODES.ok;
      if (left > 0) continue;
      output.note(`holdfast: there may be more; go on with --after ${JSON.stringify(after)}, or take --all`);
      return EXIT_CODES.ok;
    }
  });
}

/** Asks for pages, of fewer objects once a page was larger than the client holds. */
class Pages {
  readonly #client: Client;
  readonly #type: string;
  readonly #documents: boolean;
  readonly #timeoutMs: number;
  #objectsMax: number;

  constructor(client: Client, type: string, documents: boolean, timeoutMs: number) {
    this.#client = client;
    this.#type = type;
    this.#documents = documents;
    this.#timeoutMs = timeoutMs;
    this.#objectsMax = documents ? PAGE_DOCUMENTS : PAGE_OBJECTS;
  }

  async read(after: string | undefined, limit: number): Promise<ListPage> {
    for (;;) {
      try {
        return await this.#client.list(this.#type, {
          after,
          limit: Math.min(limit, this.#objectsMax),
          documents: this.#documents,
          timeoutMs: this.#timeoutMs,
        });
      } catch (error) {
        // A page beyond the client's bound is UNAVAILABLE to it; to ask for a smaller one does no harm in any case.
        const retryable = error instanceof HoldfastError && error.code === 'UNAVAILABLE';
        if (!retryable || this.#objectsMax === 1) throw error;
        this.#objectsMax = Math.ceil(this.#objectsMax / 4);
      }
    }
  }
}
