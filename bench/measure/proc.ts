/** CPU and memory of other processes, from Linux's /proc; `undefined` where there is none. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** USER_HZ: what user space is told, whatever the kernel's own clock is. */
const TICKS_PER_SECOND = 100;

interface ProcessTimes {
  readonly parent: number;
  /** Its own, and of its ended children that it has waited for. */
  readonly ticks: number;
}

/** proc(5), /proc/pid/stat: the fields after the command name, which may hold spaces and brackets. */
function timesOf(pid: number): ProcessTimes | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    // state is field 3; ppid 4; utime, stime, cutime, cstime 14 to 17.
    const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0);
    return { parent: Number(fields[1]), ticks };
  } catch {
    return undefined;
  }
}

/** CPU seconds of a process and all below it since they started. */
export function cpuSecondsOfTree(root: number | undefined): number | undefined {
  if (root === undefined) return undefined;
  const own = timesOf(root);
  if (own === undefined) return undefined;
  const children = new Map<number, number[]>();
  const ticks = new Map<number, number>([[root, own.ticks]]);
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const times = Number.isInteger(pid) ? timesOf(pid) : undefined;
    if (times === undefined) continue;
    ticks.set(pid, times.ticks);
    children.set(times.parent, [...(children.get(times.parent) ?? []), pid]);
  }
  let sum = 0;
  const waiting = [root];
  for (let pid = waiting.pop(); pid !== undefined; pid = waiting.pop()) {
    sum += ticks.get(pid) ?? 0;
    waiting.push(...(children.get(pid) ?? []));
  }
  return sum / TICKS_PER_SECOND;
}

/** The most memory a process ever had resident (VmHWM). */
export function peakMemoryBytes(pid: number): number | undefined {
  try {
    const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return match === null ? undefined : Number(match[1]) * 1_024;
  } catch {
    return undefined;
  }
}

/**
 * The process that listens on a TCP port of this machine, for servers that were given by URL. Only what we may look into
 * is found: all as root, else our own.
 */
export function pidOfListener(port: number): number | undefined {
  try {
    const listening = '0A';
    const inodes = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) =>
      readFileSync(file, 'utf8')
        .split('\n')
        .slice(1)
        .map((line) => line.trim().split(/\s+/))
        .filter((fields) => fields[3] === listening && parseInt(fields[1]?.split(':')[1] ?? '', 16) === port)
        .map((fields) => `socket:[${fields[9]}]`),
    );
    const pids = readdirSync('/proc')
      .map(Number)
      .filter((pid) => Number.isInteger(pid) && opensOneOf(pid, new Set(inodes)));
    // Forked children hold it as well; the oldest is the server.
    return pids.length === 0 ? undefined : Math.min(...pids);
  } catch {
    return undefined;
  }
}

function opensOneOf(pid: number, sockets: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => sockets.has(linkOf(`/proc/${pid}/fd/${fd}`)));
  } catch {
    return false;
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
