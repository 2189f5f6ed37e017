/** Collects what a run left behind: the audit trail, rows and tombstones, every dead letter, and queues not empty. */
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ConsumeMessage } from 'amqplib';
import type { Client } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import {
  AUDIT_COLUMN_COUNT,
  FILES,
  type RecordedLetter,
  STORED_COLUMN_COUNT,
} from '../record/history-folder.ts';
import { RowWriter } from '../record/row-file.ts';
import { nowUs } from '../workload/clock.ts';
import { hashBytes, readDocument } from '../workload/documents.ts';
import { objectOf } from '../workload/objects.ts';
import type { Scratch } from './scratch.ts';

/** How long a queue that seems empty is listened to. */
const LISTEN_MS = 700;

const AT = `(extract(epoch FROM changed_at) * 1000000)::bigint - ${clockOffsetUs()}`;
const WORKER = `coalesce(substring(worker from '[0-9]+$'), '-1')`;
const OBJECT = `coalesce(substring(object_id from '[0-9]+$'), '-1')`;

export async function collectDatabase(sql: Client, folder: string): Promise<{ auditRows: number }> {
  const audit = new RowWriter(join(folder, FILES.audit), AUDIT_COLUMN_COUNT);
  await copyLines(
    sql,
    `SELECT seq, ${OBJECT}, change, version, epoch, nonce, ${AT}, ${WORKER} FROM chaos_audit`,
    (line) => {
      audit.add(line.split('\t').map(Number));
    },
  );
  audit.close();
  const stored = new RowWriter(join(folder, FILES.stored), STORED_COLUMN_COUNT);
  await copyLines(sql, `SELECT ${OBJECT}, version, epoch, data::text FROM goverse_objects`, (line) => {
    const [object = '-1', version = '0', epoch = '0', ...data] = line.split('\t');
    const document = readDocument(unescapeCopy(data.join('\t')), Number(object), Number(version));
    stored.add([Number(object), 0, Number(version), Number(epoch), document.nonce, document.intact ? 1 : 0]);
  });
  await copyLines(sql, `SELECT ${OBJECT}, version, epoch FROM holdfast_tombstones`, (line) => {
    const [object = -1, version = 0, epoch = 0] = line.split('\t').map(Number);
    stored.add([object, 1, version, epoch, 0, 1]);
  });
  stored.close();
  return { auditRows: audit.rows };
}

async function copyLines(sql: Client, query: string, take: (line: string) => void): Promise<void> {
  const stream = sql.query(copyTo(`COPY (${query}) TO STDOUT`));
  for await (const line of createInterface({ input: stream, crlfDelay: Infinity }))
    if (line !== '') take(line);
}

/** COPY's text format doubles backslashes; jsonb's text has no control characters of its own. */
function unescapeCopy(text: string): string {
  return text.replaceAll('\\\\', '\\');
}

/** From our clock to that of the database, on the same machine. */
function clockOffsetUs(): number {
  return Date.now() * 1_000 - nowUs();
}

/** Takes every letter out of the harness's queue. Returns those that belong to nothing of the run. */
export async function collectLetters(
  scratch: Scratch,
  folder: string,
): Promise<{ letters: number; foreign: string[] }> {
  const file = createWriteStream(join(folder, FILES.letters));
  const foreign: string[] = [];
  let letters = 0;
  let lastAt = performance.now();
  const take = (message: ConsumeMessage): void => {
    letters += 1;
    lastAt = performance.now();
    const { headers = {}, messageId } = message.properties;
    const letterId = String(headers['holdfast-letter-id'] ?? messageId);
    const code = String(headers['holdfast-code'] ?? 'DELIVERY_LIMIT');
    const commands = readCommands(message.content);
    if (commands.length === 0) foreign.push(`letter ${letterId}, ${code}, is of nothing that was sent`);
    const whole = commands.length > 1;
    for (const command of commands) {
      const letter: RecordedLetter = {
        letterId: whole ? `${letterId}/${command.version}/${command.nonce}` : letterId,
        messageId: String(headers['holdfast-message-id'] ?? messageId),
        code,
        ...command,
        bytesHash: whole || message.content.length > 100_000 ? undefined : hashBytes(message.content),
      };
      file.write(`${JSON.stringify(letter)}\n`);
    }
  };
  await scratch.withBroker(async (model) => {
    const channel = await model.createChannel();
    await channel.consume(scratch.lettersQueue, (message) => message && take(message), { noAck: true });
    while (performance.now() - lastAt < LISTEN_MS) await new Promise((resolve) => setTimeout(resolve, 50));
  });
  await new Promise<void>((resolve) => file.end(resolve));
  return { letters, foreign };
}

type Named = Pick<RecordedLetter, 'object' | 'action' | 'version' | 'nonce'>;

/** The commands of a letter's body, however broken it is. */
function readCommands(body: Buffer): Named[] {
  const lines = body.toString().split('\n');
  const commands: Named[] = [];
  for (let at = 0; at < lines.length; at += 1) {
    const match = /^\{"(save|delete|load)":(\{.*\})\}$/.exec(lines[at] ?? '');
    if (match === null) continue;
    const action = match[1] as 'save' | 'delete' | 'load';
    const { id, version } = JSON.parse(match[2] ?? '{}') as { id?: string; version?: number };
    const object = id === undefined ? undefined : objectOf(id);
    if (object === undefined) continue;
    const document = action === 'save' ? (lines[at + 1] ?? '') : '';
    const nonce = Number(/"n":([0-9]+)/.exec(document)?.[1] ?? 0);
    commands.push({ object, action, version: Math.floor(version ?? 0), nonce });
  }
  return commands;
}

/** Queues of commands that still hold something, once no worker runs any more. Their counters lag by seconds. */
export async function undrainedQueues(scratch: Scratch): Promise<string[]> {
  return await scratch.withBroker(async (model) => {
    const undrained = new Set<string>();
    const channel = await model.createChannel();
    for (const queue of scratch.queues) {
      await channel.consume(queue, () => undrained.add(`queue ${queue} still holds messages`));
    }
    await new Promise((resolve) => setTimeout(resolve, LISTEN_MS));
    await channel.close();
    return [...undrained];
  });
}
