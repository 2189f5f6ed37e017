// The process that owns the private servers. It is detached from the terminal and tied to whoever started it by
// an IPC channel only: when that channel closes, however its other end died, the keeper stops every server,
// removes the folder and exits. Plain JavaScript, because Node 20 must be able to run it from a source tree.
//
// Started as `node keeper.mjs PARENT_FOLDER`. Takes {id, do, ...} messages, answers each by {id, value} or
// {id, error}, and reports {exited, code, signal} of servers.

import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, closeSync, mkdtempSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** Long enough for helper processes to see that their server is gone, after which they are killed as well. */
const HELPERS_LEAVE_MS = 1_000;
/** A killed process that is still listed after this long cannot be waited for (it hangs in the kernel). */
const KILLED_IS_GONE_MS = 10_000;

const children = new Map();
let folder;
let ending;

// Before anything is created, so that nothing created can be missed.
process.on('disconnect', () => void end());
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => void end());
process.on('uncaughtException', (error) => {
  tell({ failed: String(error?.stack ?? error) });
  void end();
});

folder = mkdtempSync(join(process.argv[2], 'holdfast-servers-'));
// PostgreSQL, started by root, runs as another user, who must be able to reach its own folder in here.
if (process.getuid() === 0) chmodSync(folder, 0o711);

const actions = {
  /** Runs a command to its end. */
  async run(request) {
    const child = await launch(request);
    await child.exited;
    return { code: child.process.exitCode, signal: child.process.signalCode };
  },
  /** Starts a server and keeps it. */
  async start(request) {
    const child = await launch(request);
    void child.exited.then(() =>
      tell({ exited: request.name, code: child.process.exitCode, signal: child.process.signalCode }),
    );
    return { pid: child.process.pid };
  },
  /** The server answers: from here on it deserves an orderly stop. */
  async ready({ name }) {
    const child = children.get(name);
    if (child !== undefined) child.ready = true;
    return {};
  },
  async stop({ name, mode }) {
    await stop(name, mode);
    return {};
  },
  /** Answered by the keeper's exit. */
  async end() {
    await end();
    return {};
  },
};

process.on('message', ({ id, ...request }) => {
  actions[request.do](request).then(
    (value) => tell({ id, value }),
    (error) => tell({ id, error: error.message }),
  );
});

// The channel may have closed before the listener was there to hear it.
if (process.connected) tell({ folder });
else void end();

function tell(message) {
  if (process.connected) process.send(message, () => {});
}

async function launch({ name, command, args, cwd, env, account, log, ...rest }) {
  if (ending) throw new Error('the servers are being stopped');
  const output = openSync(log, 'a', 0o600);
  const running = spawn(command, args, {
    cwd: cwd ?? folder,
    env,
    stdio: ['ignore', output, output],
    ...(account && { uid: account.uid, gid: account.gid }),
  });
  closeSync(output);
  const failed = new Promise((_, reject) => running.once('error', reject));
  if (running.pid === undefined) await failed;
  failed.catch(() => {});
  const { signals = [], last = false, deafAtFirst = false } = rest;
  const child = { process: running, signals, last, running: true, ready: !deafAtFirst };
  child.exited = new Promise((resolve) => running.once('exit', resolve)).then(() => {
    child.running = false;
  });
  children.set(name, child);
  return child;
}

/** Stops a server and all its helper processes: by its own signals in turn, or at once if mode is `kill`. */
async function stop(name, mode) {
  const child = children.get(name);
  if (!child?.running) return;
  if (mode === 'kill' || !child.ready) {
    // A stopped process starts no further helper while they are counted.
    child.process.kill('SIGSTOP');
    const all = withDescendants(child.process.pid);
    child.process.kill('SIGKILL');
    signalAll(stillThere(all), 'SIGKILL');
    await child.exited;
    await untilGone(all, KILLED_IS_GONE_MS);
    return;
  }
  const helpers = withDescendants(child.process.pid).filter(({ pid }) => pid !== child.process.pid);
  for (const { signal, waitMs } of child.signals) {
    child.process.kill(signal);
    // A test may have paused it, and a paused process does not hear.
    signalAll([...helpers, { pid: child.process.pid }], 'SIGCONT');
    await Promise.race([child.exited, delay(waitMs, undefined, { ref: false })]);
    if (!child.running) break;
  }
  if (child.running) return stop(name, 'kill');
  await untilGone(helpers, HELPERS_LEAVE_MS);
  signalAll(stillThere(helpers), 'SIGKILL');
  await untilGone(helpers, KILLED_IS_GONE_MS);
}

function end() {
  ending ??= (async () => {
    const names = [...children.keys()];
    const stopAll = (last) =>
      Promise.allSettled(
        names.filter((name) => children.get(name).last === last).map((name) => stop(name, 'orderly')),
      );
    await stopAll(false);
    await stopAll(true);
    if (folder !== undefined) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  })().then(
    () => process.exit(0),
    () => process.exit(1),
  );
  return ending;
}

function signalAll(processes, signal) {
  for (const { pid } of processes) {
    try {
      process.kill(pid, signal);
    } catch {
      // It went by itself in the meantime.
    }
  }
}

async function untilGone(processes, limitMs) {
  const deadline = Date.now() + limitMs;
  while (stillThere(processes).length > 0 && Date.now() < deadline) await delay(20);
}

/** A process is the same one only if pid and time of birth agree; one that nobody has reaped is gone. */
function stillThere(processes) {
  if (processes.length === 0) return [];
  const table = processTable();
  return processes.filter(({ pid, born }) => {
    const now = table.get(pid);
    return now !== undefined && now.born === born && !now.state.startsWith('Z');
  });
}

function withDescendants(root) {
  const table = processTable();
  const found = [];
  const queue = [root];
  for (const pid of queue) {
    if (!table.has(pid)) continue;
    found.push({ pid, born: table.get(pid).born });
    for (const [other, { parent }] of table) if (parent === pid) queue.push(other);
  }
  return found;
}

/** pid -> {parent, state, born} of every process, from /proc or, where there is none, from ps. */
function processTable() {
  return process.platform === 'linux' ? tableFromProc() : tableFromPs();
}

function tableFromProc() {
  const table = new Map();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    let stat;
    try {
      stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
    } catch {
      continue;
    }
    // "pid (name) state ppid …": the name may hold anything, blanks and brackets too. Field 22 is the start time.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    table.set(Number(entry), { state: fields[0], parent: Number(fields[1]), born: fields[19] });
  }
  return table;
}

function tableFromPs() {
  const table = new Map();
  for (const line of execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat=,lstart='], { encoding: 'utf8' }).split(
    '\n',
  )) {
    const [pid, parent, state, ...born] = line.trim().split(/\s+/);
    if (pid) table.set(Number(pid), { parent: Number(parent), state, born: born.join(' ') });
  }
  return table;
}
