/** The raw results: all that the report is rendered from, and all that is kept. */
import type { GroupResult } from '../measure/sample.ts';

export interface Environment {
  readonly date: string;
  readonly commit: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  /** Of the minute before: what else the machine was doing. */
  readonly loadAverage: number;
  readonly platform: string;
  readonly node: string;
  readonly servers: string;
  /** Options of Holdfast that are not at their defaults, by environment variable. */
  readonly options: Readonly<Record<string, string>>;
  readonly rabbitmq: string;
  readonly postgresql: string;
  /** PostgreSQL's settings that decide what a commit costs. */
  readonly settings: Readonly<Record<string, string>>;
}

export interface Results {
  readonly environment: Environment;
  readonly quick: boolean;
  /** Wall time of all of it. */
  readonly seconds: number;
  readonly groups: readonly GroupResult[];
}
