/**
 * A publisher that uses nothing of Holdfast but its wire format: frames of many commands, poison among the good ones, old
 * frames replayed byte for byte, claims that usurp objects of others, frames that name no queue for replies.
 */
import { partitionOf } from 'holdfast';
import type { WriteOutcome } from '../oracle/history.ts';
import { nowUs } from '../workload/clock.ts';
import { readDocument } from '../workload/documents.ts';
import { HOT_COUNT, HOT_SHARE, objectId, objectOf, useOf } from '../workload/objects.ts';
import { Random, subSeed } from '../workload/random.ts';
import type { NodeConfig } from './node-config.ts';
import { runNode } from './node-process.ts';
import { Pace } from './pace.ts';
import {
  bytesHashOf,
  COMMAND_POISONS,
  claimCommand,
  deleteCommand,
  loadCommand,
  type RawCommand,
  saveCommand,
} from './raw-frame.ts';
import { RawLink, type RawMessage } from './raw-link.ts';
import { type Line, readLines } from './raw-reply.ts';
import { Recorder } from './recorder.ts';
import { lateReplies, untilSettled } from './until-settled.ts';
import { VersionSource } from './version-source.ts';

interface Frame {
  readonly message: RawMessage;
  readonly commands: readonly RawCommand[];
  readonly invokedAt: number;
  readonly replay: boolean;
  confirmedAt: number;
  answered: boolean;
  /** Its queue of replies is gone; what it asked may have been answered into it. */
  deaf: boolean;
  parts: Buffer[];
}

const FRAMES_KEPT = 400;
const COMMANDS_TYPE = 'holdfast.commands.v1';

class RawNode {
  readonly #config: NodeConfig;
  readonly #recorder: Recorder;
  readonly #random: Random;
  readonly #versions: VersionSource;
  readonly #pace: Pace;
  readonly #link: RawLink;
  /** Objects by partition, the hot ones apart. */
  readonly #hot: number[][];
  readonly #cold: number[][];
  readonly #epochs = new Map<number, number>();
  readonly #known = new Map<number, number>();
  /** By message id: not confirmed, or not answered. */
  readonly #open = new Map<string, Frame>();
  readonly #old: { message: RawMessage; commands: readonly RawCommand[]; invokedAt: number }[] = [];
  readonly #malformed: string[] = [];
  #nonce: number;
  #finishing = false;

  constructor(config: NodeConfig, recorder: Recorder) {
    this.#config = config;
    this.#recorder = recorder;
    this.#random = new Random(subSeed(config.seed, 1_000 + config.process));
    this.#versions = new VersionSource(config.process, config.ownership.startedAtUs);
    this.#pace = new Pace(config.pendingMax, config.rateMax);
    this.#nonce = config.process * 1_000_000_000_000;
    const byPartition = (from: number, to: number): number[][] => {
      const lists: number[][] = Array.from({ length: config.partitions }, () => []);
      for (let object = from; object < to; object += 1) {
        lists[partitionOf(objectId(object), config.partitions)]?.push(object);
      }
      return lists;
    };
    this.#hot = byPartition(0, HOT_COUNT);
    this.#cold = byPartition(HOT_COUNT, config.objects);
    this.#link = new RawLink(config.amqpUrl, config.prefix, config.name, {
      onRepliesLost: () => {
        recorder.repliesLost();
        for (const frame of this.#open.values()) {
          frame.parts = [];
          // What is not confirmed is sent again, with the new queue.
          if (frame.confirmedAt === 0) continue;
          frame.deaf = true;
          this.#retireFrame(frame);
        }
      },
      onReply: (messageId, body, part, last) => this.#reply(messageId, body, part, last),
    });
  }

  async run(): Promise<void> {
    await this.#link.open();
    while (!this.#finishing) {
      const partition = this.#random.below(this.#config.partitions);
      if (this.#random.chance(0.08) && this.#old.length > 0) {
        const { message, commands, invokedAt } = this.#random.pick(this.#old);
        if (!this.#open.has(message.messageId)) {
          this.#recorder.replayed += 1;
          // A late reply to the first sending may be taken for that to this one, so it counts from then.
          await this.#send(message, commands, { replayOf: invokedAt });
        }
      } else if (this.#random.chance(0.01)) {
        await this.#sendSpoiled(partition);
      } else {
        const count = 50 + this.#random.below(250);
        const commands = this.#makeCommands(partition, count);
        await this.#send(this.#message(partition, commands), commands);
      }
    }
  }

  hold(held: boolean): void {
    this.#pace.hold(held);
  }

  async finish(): Promise<{ unsettled: string[]; malformedReplies: string[] }> {
    this.#finishing = true;
    this.#pace.stop();
    const waiting = (): Frame[] =>
      [...this.#open.values()].filter(
        ({ message, confirmedAt, deaf }) => confirmedAt === 0 || (!deaf && message.replyMode === 'all'),
      );
    await untilSettled(() => waiting().length);
    const unsettled = waiting().map(
      ({ message, confirmedAt }) =>
        `frame ${message.messageId} was never ${confirmedAt === 0 ? 'confirmed' : 'answered'}`,
    );
    // What was only to be told of failures may still be.
    await this.#barrier();
    await lateReplies();
    for (const frame of this.#open.values()) this.#record(frame, undefined);
    await this.#link.close();
    return { unsettled, malformedReplies: this.#malformed };
  }

  /** A load behind everything in each partition: once answered, so is everything before it. */
  async #barrier(): Promise<void> {
    for (let partition = 0; partition < this.#config.partitions; partition += 1) {
      const object = this.#cold[partition]?.[0];
      if (object === undefined) continue;
      const commands = [loadCommand(object)];
      void this.#send(this.#message(partition, commands, 'all'), commands);
    }
    await untilSettled(
      () =>
        [...this.#open.values()].filter(({ message, deaf }) => message.replyMode === 'all' && !deaf).length,
    );
  }

  #makeCommands(partition: number, count: number): RawCommand[] {
    const commands: RawCommand[] = [];
    for (let n = 0; n < count; n += 1) {
      const random = this.#random;
      const hot = this.#hot[partition] ?? [];
      const object = random.pick(
        random.chance(HOT_SHARE) && hot.length > 0 ? hot : (this.#cold[partition] ?? []),
      );
      const kind = random.next();
      const bytes = 250 + random.below(350);
      const poison = random.chance(0.004)
        ? random.pick(COMMAND_POISONS)
        : random.chance(0.001)
          ? ('refused' as const)
          : undefined;
      if (useOf(object) === 'owned' && !this.#epochs.has(object) && !random.chance(0.1)) {
        // Mostly left to its owner; now and then usurped.
        if (kind < 0.02)
          commands.push(
            claimCommand(object, (this.#nonce += 1), random.chance(0.5) ? 1 + random.below(50) : 0),
          );
        else if (kind < 0.1) commands.push(loadCommand(object));
        continue;
      }
      const ifVersion = useOf(object) === 'compared' ? (this.#known.get(object) ?? 0) : undefined;
      const fields = {
        object,
        version: this.#versions.next(object),
        epoch: this.#epochs.get(object) ?? 0,
        nonce: (this.#nonce += 1),
        ifVersion,
      };
      if (poison === 'wrong partition') commands.push(this.#misplaced(partition, fields, bytes));
      else if (kind < 0.05 && poison === undefined) commands.push(deleteCommand(fields));
      else commands.push(saveCommand(fields, bytes, poison));
      // Two contents under one version: one of them must conflict.
      if (random.chance(0.002))
        commands.push(saveCommand({ ...fields, nonce: (this.#nonce += 1) }, bytes, undefined));
    }
    return commands;
  }

  #misplaced(partition: number, fields: Parameters<typeof saveCommand>[0], bytes: number): RawCommand {
    const other = (partition + 1) % this.#config.partitions;
    const object = this.#random.pick(this.#cold[other] ?? []);
    return saveCommand(
      { ...fields, object, version: this.#versions.next(object), epoch: 0, ifVersion: undefined },
      bytes,
      'wrong partition',
    );
  }

  #message(partition: number, commands: readonly RawCommand[], asked?: RawMessage['replyMode']): RawMessage {
    const mode = this.#random.next();
    const replyMode = asked ?? (mode < 0.6 ? 'all' : mode < 0.85 ? 'failures' : 'none');
    this.#nonce += 1;
    return {
      messageId: `${replyMode === 'failures' ? FAILURES_ID : 'raw-'}${this.#config.seed}-${this.#nonce}`,
      routingKey: `${this.#config.partitions}.${partition}`,
      body: Buffer.concat(commands.map(({ lines }) => lines)),
      type: COMMANDS_TYPE,
      timestamp: Math.floor(Date.now() / 1_000),
      replyMode,
    };
  }

  /** A frame that is bad as a whole: broken framing, another type, or one command far too large. */
  async #sendSpoiled(partition: number): Promise<void> {
    const kind = this.#random.below(3);
    const objects = this.#cold[partition] ?? [];
    const command = (): RawCommand => {
      const object = this.#random.pick(objects);
      const fields = {
        object,
        version: this.#versions.next(object),
        epoch: 0,
        nonce: (this.#nonce += 1),
        ifVersion: undefined,
      };
      return saveCommand(fields, 300, kind === 2 ? 'oversize' : 'wrong partition');
    };
    const commands = kind === 2 ? [command()] : [command(), command()];
    const message = this.#message(partition, commands, 'all');
    const body = kind === 0 ? Buffer.concat([message.body, Buffer.from('{"save":{"id":"x"')]) : message.body;
    await this.#send(
      { ...message, body, type: kind === 1 ? 'holdfast.commands.v0' : COMMANDS_TYPE },
      commands,
      { whole: kind !== 2 },
    );
  }

  async #send(
    message: RawMessage,
    commands: readonly RawCommand[],
    { replayOf, whole = false }: { replayOf?: number; whole?: boolean } = {},
  ): Promise<void> {
    const replay = replayOf !== undefined;
    const { length } = commands;
    await this.#pace.begin(length);
    if (!replay) this.#recorder.issued += length;
    const frame: Frame = {
      message,
      commands,
      invokedAt: replayOf ?? nowUs(),
      replay,
      confirmedAt: 0,
      answered: false,
      deaf: false,
      parts: [],
    };
    this.#open.set(message.messageId, frame);
    if (!replay && !whole && message.body.length < 500_000) {
      const kept = { message, commands, invokedAt: frame.invokedAt };
      if (this.#old.length < FRAMES_KEPT) this.#old.push(kept);
      else this.#old[this.#random.below(FRAMES_KEPT)] = kept;
    }
    void this.#link.publish(message).then((confirmed) => {
      if (confirmed) frame.confirmedAt = nowUs();
      this.#retireFrame(frame);
    });
  }

  /** A frame is done with when it is confirmed and no reply is due any more. */
  #retireFrame(frame: Frame): void {
    const { message, confirmedAt, answered, deaf } = frame;
    if (confirmedAt === 0 || answered || this.#open.get(message.messageId) !== frame) return;
    if (message.replyMode !== 'all' || deaf) this.#record(frame, undefined);
  }

  #reply(messageId: string, body: Buffer, part: number, last: boolean): void {
    if (messageId.startsWith(FAILURES_ID)) {
      // Told by object, as the client library is; at any time, so nobody waits for it.
      for (const line of readLines(body.toString())) this.#failure(line);
      return;
    }
    const frame = this.#open.get(messageId);
    if (frame === undefined || frame.answered) return;
    if (part === 0) frame.parts = [];
    if (part !== frame.parts.length) return;
    frame.parts.push(body);
    if (!last) return;
    const lines = readLines(Buffer.concat(frame.parts).toString());
    frame.parts = [];
    frame.answered = true;
    // The reply may come before the confirm; it proves that the broker has the frame.
    if (frame.confirmedAt === 0) frame.confirmedAt = nowUs();
    const whole = lines.length === 1 && lines[0]?.id === undefined;
    if (lines.length !== frame.commands.length && !whole) {
      this.#malformed.push(
        `${lines.length} lines for the ${frame.commands.length} commands of frame ${messageId}`,
      );
      return;
    }
    this.#record(frame, whole ? frame.commands.map(() => lines[0] as Line) : lines);
  }

  #failure({ id, outcome, epoch }: Line): void {
    const object = id === undefined ? undefined : objectOf(id);
    if (object === undefined) return;
    if (outcome === 'found' || outcome === 'absent') return;
    if (outcome === 'fenced') this.#epochs.delete(object);
    this.#recorder.failure(object, outcome as 'fenced' | 'conflict' | 'rejected', epoch);
  }

  #record(frame: Frame, lines: readonly Line[] | undefined): void {
    this.#open.delete(frame.message.messageId);
    this.#pace.end(frame.commands.length);
    const { commands, invokedAt, replay, confirmedAt, message } = frame;
    const endedAt = lines === undefined && confirmedAt > 0 ? confirmedAt : nowUs();
    for (const [index, command] of commands.entries()) {
      const line = lines?.[index];
      const { object, action, version, epoch, nonce, ifVersion, poison } = command;
      if (line?.id !== undefined && line.id !== objectId(object)) {
        this.#malformed.push(
          `line ${index} of the reply to frame ${message.messageId} is about another object`,
        );
      }
      if (line?.version !== undefined) this.#versions.saw(object, line.version);
      if (action === 'claim' || action === 'ordered') {
        if (line?.outcome === 'found' || line?.outcome === 'absent')
          this.#recordLoad(command, line, invokedAt, endedAt);
        else if (message.replyMode === 'all') this.#recorder.count('load failed');
        continue;
      }
      // A replayed frame is the same message again: only what it is answered counts.
      if (replay && line === undefined) continue;
      const outcome: WriteOutcome =
        line === undefined ? (confirmedAt > 0 ? 'confirmed' : 'unknown') : (line.outcome as WriteOutcome);
      if (outcome === 'fenced') this.#epochs.delete(object);
      if (useOf(object) === 'compared' && line?.version !== undefined) {
        this.#known.set(object, action === 'delete' && outcome === 'applied' ? 0 : line.version);
      }
      this.#recorder.write(object, {
        action,
        version,
        epoch,
        nonce,
        ifVersion,
        poison,
        outcome,
        storedVersion: line?.version,
        invokedAt,
        endedAt,
        bytesHash: bytesHashOf(command),
      });
    }
  }

  #recordLoad({ object, action, claimId }: RawCommand, line: Line, invokedAt: number, endedAt: number): void {
    const { outcome, version = 0, epoch = 0, document = '' } = line;
    const found = outcome === 'found';
    const { nonce, intact } = found ? readDocument(document, object, version) : { nonce: 0, intact: true };
    if (action === 'claim') this.#epochs.set(object, epoch);
    if (useOf(object) === 'compared') this.#known.set(object, found ? version : 0);
    const load = { found, version, epoch, nonce, intact, claimId, invokedAt, endedAt };
    this.#recorder.load(object, { action: action === 'claim' ? 'claim' : 'ordered', ...load });
  }
}

/** What the message ids of frames begin with that are only to be told of failures. */
const FAILURES_ID = 'raw-failures-';

runNode(async (config) => {
  const recorder = new Recorder(config.process, config.eventsFile);
  const node = new RawNode(config, recorder);
  return {
    recorder,
    run: () => node.run(),
    hold: (held) => node.hold(held),
    finish: () => node.finish(),
  };
});
