/**
 * An object node: a process of its own that saves, deletes, loads and claims objects through the client library, as fast
 * as it is allowed to, and writes down what it was told about each.
 */
import { connect, type HoldfastClient, PartialFailureError } from 'holdfast';
import { nowUs } from '../workload/clock.ts';
import { claimIdOf, documentText, readDocument } from '../workload/documents.ts';
import {
  HOT_COUNT,
  HOT_SHARE,
  isZombieAt,
  moveAt,
  objectId,
  objectOf,
  objectType,
  ownerAt,
  sharedNear,
  useOf,
} from '../workload/objects.ts';
import { Random, subSeed } from '../workload/random.ts';
import { type Loaded, outcomeOf } from './call-result.ts';
import type { NodeConfig } from './node-config.ts';
import { runNode } from './node-process.ts';
import { Pace } from './pace.ts';
import { Recorder } from './recorder.ts';
import { lateReplies, untilSettled } from './until-settled.ts';
import { VersionSource } from './version-source.ts';

/** One write on its way. */
interface Sent {
  readonly object: number;
  readonly action: 'save' | 'delete';
  readonly version: number;
  readonly epoch: number;
  readonly nonce: number;
  readonly ifVersion: number | undefined;
  readonly refused: boolean;
  readonly document: string;
  readonly invokedAt: number;
}

/** Calls a bulk is made of; each becomes one call of the client. */
interface Bulk {
  readonly confirmed: Sent[];
  readonly persisted: Sent[];
  readonly deletes: Sent[];
  readonly persistedDeletes: Sent[];
  readonly ordered: number[];
  readonly committed: number[];
}

/** Writes kept to be sent once more. */
const SENT_KEPT = 4_096;

class ObjectNode {
  readonly #config: NodeConfig;
  readonly #client: HoldfastClient;
  readonly #recorder: Recorder;
  readonly #random: Random;
  readonly #versions: VersionSource;
  readonly #pace: Pace;
  /** The move in which an owned object was claimed. */
  readonly #claimed = new Map<number, number>();
  readonly #claiming = new Set<number>();
  /** Versions of objects written with `ifVersion`, as far as known. */
  readonly #known = new Map<number, number>();
  readonly #sent: Sent[] = [];
  readonly #claims: { object: number; claim: number }[] = [];
  #nonce: number;
  #calls = 0;
  #finishing = false;

  constructor(config: NodeConfig, client: HoldfastClient, recorder: Recorder) {
    this.#config = config;
    this.#client = client;
    this.#recorder = recorder;
    this.#random = new Random(subSeed(config.seed, 1_000 + config.process));
    this.#versions = new VersionSource(config.process, config.ownership.startedAtUs);
    this.#pace = new Pace(config.pendingMax, config.rateMax);
    this.#nonce = config.process * 1_000_000_000_000;
    client.on('failure', ({ id, outcome, epoch }) => {
      const object = id === undefined ? undefined : objectOf(id);
      if (object === undefined) return;
      recorder.failure(object, outcome, epoch);
      if (outcome === 'fenced') this.#claimed.delete(object);
    });
    client.on('disconnected', () => recorder.repliesLost());
  }

  async run(): Promise<void> {
    while (!this.#finishing) {
      const count = 400 + this.#random.below(2_000);
      await this.#pace.begin(count);
      if (this.#finishing) return;
      const bulk = this.#makeBulk(count);
      const used = Object.values(bulk).reduce((sum, { length }: { length: number }) => sum + length, 0);
      this.#pace.end(count - used);
      this.#issue(bulk);
    }
  }

  hold(held: boolean): void {
    this.#pace.hold(held);
  }

  /** Begins nothing more, waits for what is under way. */
  async finish(): Promise<string[]> {
    this.#finishing = true;
    this.#pace.stop();
    await untilSettled(() => this.#calls);
    const unsettled = this.#calls === 0 ? [] : [`${this.#config.name}: ${this.#calls} calls never settled`];
    // Behind everything in every partition: what is refused before it is told of about now.
    const everywhere = Array.from({ length: 256 }, (_, object) => objectId(object));
    await this.#client.loadMany(everywhere, { document: false }).catch(() => undefined);
    await lateReplies();
    await this.#client.close({ drainTimeoutMs: 5_000 });
    return unsettled;
  }

  #makeBulk(count: number): Bulk {
    const bulk: Bulk = {
      confirmed: [],
      persisted: [],
      deletes: [],
      persistedDeletes: [],
      ordered: [],
      committed: [],
    };
    for (let n = 0; n < count; n += 1) {
      const random = this.#random;
      const kind = random.next();
      const hot = random.chance(HOT_SHARE);
      const object = hot
        ? random.below(HOT_COUNT)
        : HOT_COUNT + random.below(this.#config.objects - HOT_COUNT);
      const persisted = random.chance(0.2);
      if (kind < 0.07) bulk.ordered.push(object);
      else if (kind < 0.1) bulk.committed.push(object);
      else if (kind < 0.12) this.#sendTwice(bulk);
      else if (kind < 0.121) this.#claimTwice();
      else this.#addWrite(bulk, object, kind < 0.16 ? 'delete' : 'save', persisted);
    }
    return bulk;
  }

  #addWrite(bulk: Bulk, wanted: number, action: 'save' | 'delete', persisted: boolean): void {
    // Until an object is claimed, a neighbour that needs no claim takes its place.
    const object = useOf(wanted) === 'owned' && !this.#mayWrite(wanted) ? sharedNear(wanted) : wanted;
    const use = useOf(object);
    const refused = action === 'save' && this.#random.chance(0.001);
    const bytes = this.#documentBytes();
    const id = objectId(object);
    const known = this.#known.get(object);
    if (use === 'compared' && known === undefined) {
      bulk.ordered.push(object);
      return;
    }
    const ifVersion = use === 'compared' ? known : undefined;
    const version = this.#versions.next(object);
    const nonce = action === 'save' ? (this.#nonce += 1) : 0;
    const document = action === 'save' ? documentText(object, version, nonce, bytes) : '';
    const sent: Sent = {
      object,
      action,
      version,
      epoch: this.#client.epochOf(id),
      nonce,
      ifVersion,
      refused,
      document: refused ? `{"refused":true,${document.slice(1)}` : document,
      invokedAt: nowUs(),
    };
    if (use === 'compared') this.#known.delete(object);
    const answered = persisted || use === 'compared';
    if (action === 'save') (answered ? bulk.persisted : bulk.confirmed).push(sent);
    else (answered ? bulk.persistedDeletes : bulk.deletes).push(sent);
    if (this.#sent.length < SENT_KEPT) this.#sent.push(sent);
    else this.#sent[this.#random.below(SENT_KEPT)] = sent;
  }

  /** The owner must have claimed; who was the owner may go on without noticing. */
  #mayWrite(object: number): boolean {
    const { ownership, process } = this.#config;
    const move = moveAt(ownership, nowUs());
    const claimedIn = this.#claimed.get(object);
    if (ownerAt(ownership, object, move) !== process) {
      return claimedIn !== undefined && isZombieAt(ownership, process, object, move);
    }
    const since = this.#ownedSince(object, move);
    if (claimedIn !== undefined && claimedIn >= since) return true;
    if (!this.#claiming.has(object)) void this.#claim(object, move, (this.#nonce += 1));
    return false;
  }

  #ownedSince(object: number, move: number): number {
    const { ownership, process } = this.#config;
    let since = move;
    while (since > 0 && move - since < 8 && ownerAt(ownership, object, since - 1) === process) since -= 1;
    return since;
  }

  async #claim(object: number, move: number, claim: number): Promise<void> {
    this.#claiming.add(object);
    this.#calls += 1;
    this.#recorder.issued += 1;
    const invokedAt = nowUs();
    try {
      const result = await this.#client.claim(objectId(object), {
        claimId: claimIdOf(claim),
        document: true,
      });
      this.#recordLoad('claim', object, result, invokedAt, claim);
      this.#claimed.set(object, move);
      if (this.#claims.length < 256) this.#claims.push({ object, claim });
      else this.#claims[this.#random.below(256)] = { object, claim };
    } catch {
      this.#recorder.count('load failed');
    } finally {
      this.#claiming.delete(object);
      this.#calls -= 1;
    }
  }

  /** A claim sent again, maybe after others have claimed: it is given what it was given. */
  #claimTwice(): void {
    if (this.#claims.length === 0) return;
    const { object, claim } = this.#random.pick(this.#claims);
    if (this.#claiming.has(object)) return;
    const invokedAt = nowUs();
    this.#calls += 1;
    this.#recorder.sentTwice += 1;
    this.#client
      .claim(objectId(object), { claimId: claimIdOf(claim) })
      .then((result) => this.#recordLoad('claim', object, result, invokedAt, claim))
      .catch(() => this.#recorder.count('load failed'))
      .finally(() => {
        this.#calls -= 1;
      });
  }

  #sendTwice(bulk: Bulk): void {
    if (this.#sent.length === 0) return;
    const sent = { ...this.#random.pick(this.#sent), invokedAt: nowUs() };
    this.#recorder.sentTwice += 1;
    (sent.action === 'save' ? bulk.confirmed : bulk.persistedDeletes).push(sent);
  }

  #documentBytes(): number {
    const size = this.#random.next();
    if (size < 0.0003) return 60_000;
    if (size < 0.01) return 5_000;
    return 250 + this.#random.below(350);
  }

  #issue({ confirmed, persisted, deletes, persistedDeletes, ordered, committed }: Bulk): void {
    this.#write(confirmed, (objects) => this.#client.saveMany(objects));
    this.#write(persisted, (objects) => this.#client.saveMany(objects, { until: 'persisted' }));
    this.#write(deletes, (objects) => this.#client.deleteMany(objects));
    this.#write(persistedDeletes, (objects) => this.#client.deleteMany(objects, { until: 'persisted' }));
    this.#load('ordered', ordered);
    this.#load('committed', committed);
  }

  #write(sent: readonly Sent[], call: (objects: SaveInputs) => Promise<readonly unknown[]>): void {
    if (sent.length === 0) return;
    this.#calls += 1;
    this.#recorder.issued += sent.length;
    const inputs = sent.map(({ object, version, epoch, ifVersion, document }) => ({
      id: objectId(object),
      type: objectType(object),
      version,
      epoch,
      ...(ifVersion === undefined ? {} : { ifVersion }),
      document: Buffer.from(document),
    }));
    void this.#settled(call(inputs), sent.length).then(({ results, errors }) => {
      const endedAt = nowUs();
      for (const [index, one] of sent.entries())
        this.#recordWrite(one, results[index], errors[index], endedAt);
      this.#pace.end(sent.length);
      this.#calls -= 1;
    });
  }

  async #settled(
    call: Promise<readonly unknown[]>,
    count: number,
  ): Promise<{ results: readonly unknown[]; errors: readonly unknown[] }> {
    try {
      return { results: await call, errors: [] };
    } catch (error) {
      if (error instanceof PartialFailureError) return { results: error.results, errors: error.errors };
      return { results: [], errors: Array.from({ length: count }, () => error) };
    }
  }

  #recordWrite(sent: Sent, result: unknown, error: unknown, endedAt: number): void {
    const { object, action, version, epoch, nonce, ifVersion, refused, invokedAt } = sent;
    const { outcome, storedVersion } = outcomeOf(result, error);
    if (outcome === 'applied') this.#known.set(object, version);
    if (outcome === 'fenced') this.#claimed.delete(object);
    if (storedVersion !== undefined) this.#versions.saw(object, storedVersion);
    this.#recorder.write(object, {
      action,
      version,
      epoch,
      nonce,
      ifVersion,
      poison: refused ? 'refused' : 'none',
      outcome,
      storedVersion,
      invokedAt,
      endedAt,
      bytesHash: undefined,
    });
  }

  #load(consistency: 'ordered' | 'committed', objects: readonly number[]): void {
    if (objects.length === 0) return;
    this.#calls += 1;
    this.#recorder.issued += objects.length;
    const invokedAt = nowUs();
    void this.#settled(this.#client.loadMany(objects.map(objectId), { consistency }), objects.length).then(
      ({ results }) => {
        for (const [index, object] of objects.entries()) {
          const result = results[index] as Loaded | undefined;
          if (result === undefined) this.#recorder.count('load failed');
          else this.#recordLoad(consistency, object, result, invokedAt, undefined);
        }
        this.#pace.end(objects.length);
        this.#calls -= 1;
      },
    );
  }

  #recordLoad(
    action: 'ordered' | 'committed' | 'claim',
    object: number,
    result: Loaded,
    invokedAt: number,
    claimId: number | undefined,
  ): void {
    const { found, version, epoch } = result;
    const { nonce, intact } = found
      ? readDocument(result.text ?? '', object, version)
      : { nonce: 0, intact: true };
    this.#versions.saw(object, version);
    if (useOf(object) === 'compared') this.#known.set(object, found ? version : 0);
    this.#recorder.load(object, {
      action,
      found,
      version,
      epoch,
      nonce,
      intact,
      claimId,
      invokedAt,
      endedAt: nowUs(),
    });
  }
}

type SaveInputs = { id: string; type: string; version: number; epoch: number; document: Buffer }[];

runNode(async (config) => {
  const client = await connect({
    url: config.amqpUrl,
    node: config.name,
    prefix: config.prefix,
    partitions: config.partitions,
    waitForBroker: true,
    heartbeatMs: 3_000,
    connectTimeoutMs: 5_000,
    confirmTimeoutMs: 20_000,
    loadTimeoutMs: 45_000,
    retryDelayMsMin: 50,
    retryDelayMsMax: 1_000,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  });
  const recorder = new Recorder(config.process, config.eventsFile);
  const node = new ObjectNode(config, client, recorder);
  return {
    recorder,
    run: () => node.run(),
    hold: (held) => node.hold(held),
    finish: async () => ({ unsettled: await node.finish(), malformedReplies: [] }),
  };
});
