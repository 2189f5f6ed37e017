/** What is published and not confirmed yet, bounded in messages and bytes. */

const MESSAGES_MAX = 1_000;
const BYTES_MAX = 4 * 1_048_576;

export class PublishWindow {
  #messages = 0;
  #bytes = 0;
  #failure: Error | undefined;
  #proceed: (() => void) | undefined;

  sent(bytes: number): void {
    this.#messages += 1;
    this.#bytes += bytes;
  }

  /** The broker has confirmed or refused. */
  settled(bytes: number, error: unknown): void {
    this.#messages -= 1;
    this.#bytes -= bytes;
    if (error !== null && error !== undefined)
      this.#failure ??= new Error('RabbitMQ refused', { cause: error });
    this.#proceed?.();
  }

  /** Resolves when more may be sent. @throws if anything was refused. */
  async untilRoom(): Promise<void> {
    await this.#until(() => this.#messages < MESSAGES_MAX && this.#bytes < BYTES_MAX);
  }

  /** Resolves when all is confirmed. @throws if anything was refused. */
  async untilEmpty(): Promise<void> {
    await this.#until(() => this.#messages === 0);
  }

  async #until(holds: () => boolean): Promise<void> {
    while (this.#failure === undefined && !holds()) {
      await new Promise<void>((resolve) => {
        this.#proceed = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
  }
}
