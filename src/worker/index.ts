/** Public entry `holdfast/worker`: a worker inside a process of your own. */
export type { Options } from '../config/options.ts';
export { readConfig } from '../config/read-config.ts';
export { createLogger, type Logger } from '../telemetry/logger.ts';
export { Worker, type WorkerOptions } from './worker.ts';
