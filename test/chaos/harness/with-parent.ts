/** Loaded into every worker of a run (`node --import`): it ends when the harness does, whatever became of that. */
if (process.channel !== undefined) {
  process.on('disconnect', () => process.exit(1));
  // Waiting for the harness is no reason to stay.
  process.channel.unref();
}
