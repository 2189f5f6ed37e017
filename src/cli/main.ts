#!/usr/bin/env node
/** The entry of the command line. The only file that ends the process. */
import { holdEarlySignals } from './signals.ts';

// Before everything else is loaded, which takes a while: a worker that is told to end meanwhile ends in order.
holdEarlySignals();

const [{ reportFailure }, { EXIT_CODES }, { Output }, { runCommandLine }] = await Promise.all([
  import('./command-failure.ts'),
  import('./exit-code.ts'),
  import('./output.ts'),
  import('./program.ts'),
]);

const output = new Output();

/** Nothing that Holdfast knows how to handle ends up here. */
function crash(error: unknown): void {
  const { line, stack } = reportFailure(error);
  output.note(`holdfast: ${line}`);
  if (stack !== undefined) output.note(stack);
  process.exit(EXIT_CODES.bug);
}

process.on('uncaughtException', crash);
process.on('unhandledRejection', crash);

const exitCode = await runCommandLine(process.argv.slice(2), output);
// A command has closed what it opened; what a library may still hold open must not keep the process.
process.exit(exitCode);
