/** How the process ends: the one table of exit codes, after BSD's sysexits.h. Help texts are made from it. */

export const EXIT_CODES = {
  ok: 0,
  usage: 64,
  badInput: 65,
  unavailable: 69,
  bug: 70,
  outputFailed: 74,
  unfinished: 75,
  configuration: 78,
} as const;
export type ExitName = keyof typeof EXIT_CODES;
export type ExitCode = (typeof EXIT_CODES)[ExitName];

/** What each code tells who called, in one line. */
export const EXIT_MEANINGS: Readonly<Record<ExitName, string>> = {
  ok: 'everything was done',
  usage: 'the command line is wrong',
  badInput: 'some input was bad, a command failed, an object is absent, or a check failed',
  unavailable: 'RabbitMQ, PostgreSQL or every worker is unavailable; try again later',
  bug: 'a bug in Holdfast; please report it',
  outputFailed: 'the output could not be written',
  unfinished: 'stopped before everything was done: the drain timed out, or Ctrl-C',
  configuration: 'the configuration, a right, the schema or the queues are wrong',
};
