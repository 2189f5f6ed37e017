/** What `npm run bench` may be told. */
import { parseArgs } from 'node:util';

export interface Arguments {
  readonly only: readonly string[] | undefined;
  readonly rounds: number | undefined;
  /** When this is over, each group that is left gets one round. */
  readonly minutes: number;
  readonly quick: boolean;
  /** Raw results on standard output. */
  readonly json: boolean;
  /** Where the report goes; undefined for the usual place. */
  readonly output: string | undefined;
  /** Folder for CPU profiles; costs some speed. */
  readonly profile: string | undefined;
  readonly list: boolean;
}

export const USAGE = `npm run bench -- [options]

  --only GROUP[,GROUP...]  measure only these; the report goes to .bench/ then
  --rounds N               rounds of each group, instead of its own number
  --minutes N              after so long, only one round for each group that is left; default 90
  --quick                  tiny counts, one round: shows that it works; the report goes to .bench/
  --output FILE.md         write the report there, the raw results beside it
  --json                   print the raw results
  --profile FOLDER         leave a CPU profile of every process there, which costs some speed
  --list                   print the groups and how long each takes`;

/** @throws Error that says what is wrong. */
export function readArguments(groups: readonly string[]): Arguments {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      minutes: { type: 'string', default: '90' },
      quick: { type: 'boolean', default: false },
      output: { type: 'string' },
      json: { type: 'boolean', default: false },
      profile: { type: 'string' },
      list: { type: 'boolean', default: false },
    },
  });
  const only = values.only?.flatMap((names) => names.split(','));
  const unknown = only?.find((name) => !groups.includes(name));
  if (unknown !== undefined) throw new Error(`there is no group ${unknown}; there are ${groups.join(', ')}`);
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) {
    throw new Error('--rounds must be a whole number above 0');
  }
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) throw new Error('--minutes must be a number above 0');
  const { quick, json, output, profile, list } = values;
  return { only, rounds, minutes, quick, json, output, profile, list };
}
