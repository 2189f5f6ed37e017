/**
 * Which deliveries of one channel can be acked with one `multiple`: the longest settled prefix.
 *
 * Delivery tags of a channel count from 1 without gaps. An ack never crosses an unsettled delivery, so what a crash
 * returns to the queue is always a run that begins with the oldest unsettled one.
 */
export class AckPrefix {
  /** Settled tags behind the first unsettled one. */
  readonly #ahead = new Set<number>();
  #firstUnsettled = 1;
  #acked = 0;

  settle(deliveryTag: number): void {
    if (deliveryTag !== this.#firstUnsettled) {
      if (deliveryTag > this.#firstUnsettled) this.#ahead.add(deliveryTag);
      return;
    }
    this.#firstUnsettled += 1;
    while (this.#ahead.delete(this.#firstUnsettled)) this.#firstUnsettled += 1;
  }

  /** The tag up to which everything may be acked now, once; `undefined` if nothing new was settled. */
  take(): number | undefined {
    const last = this.#firstUnsettled - 1;
    if (last <= this.#acked) return undefined;
    this.#acked = last;
    return last;
  }
}
