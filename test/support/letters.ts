/** Every dead letter of a file, in a queue of its own beside the one that workers empty. */
import type { ConsumeMessage } from 'amqplib';
import { eventually } from './eventually.ts';
import type { Scratch } from './scratch.ts';

export interface Letter {
  readonly body: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly message: ConsumeMessage;
}

export class Letters {
  readonly all: Letter[] = [];
  /** Bound to the exchange of letters. */
  readonly queue: string;

  private constructor(queue: string) {
    this.queue = queue;
  }

  /** The topology must have been declared. */
  static async open(scratch: Scratch): Promise<Letters> {
    const channel = await scratch.broker.createChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    const letters = new Letters(queue);
    await channel.bindQueue(queue, scratch.names.deadLetters, '');
    await channel.consume(queue, (message) => message && letters.#add(message), { noAck: true });
    return letters;
  }

  /** The letters of one message, once there are so many. */
  async of(messageId: string, count = 1): Promise<Letter[]> {
    return await eventually(() => {
      const found = this.all.filter(({ headers }) => headers['holdfast-message-id'] === messageId);
      return found.length >= count && found;
    });
  }

  #add(message: ConsumeMessage): void {
    this.all.push({
      body: message.content.toString(),
      headers: message.properties.headers ?? {},
      message,
    });
  }
}
