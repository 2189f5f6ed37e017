/** Where the value of an option came from: for error messages, and for `holdfast doctor`. */
import type { OptionName } from './options.ts';

export type OptionSource =
  | { readonly kind: 'default' }
  | { readonly kind: 'file'; readonly path: string; readonly line: number }
  /** `file` is set if the variable named a file that held the value. */
  | { readonly kind: 'environment'; readonly variable: string; readonly file?: string }
  | { readonly kind: 'flag'; readonly flag: string };

/** A value as it was given, not yet checked. */
export interface GivenValue {
  readonly value: unknown;
  readonly source: OptionSource;
}

/** What one source gave; options it does not name are missing. */
export type GivenValues = ReadonlyMap<OptionName, GivenValue>;

export const DEFAULT_SOURCE: OptionSource = { kind: 'default' };

/** `flag --writers`, `environment variable HOLDFAST_WRITERS`, `file config/holdfast.yaml, line 12`, `default`. */
export function sourceText(source: OptionSource): string {
  if (source.kind === 'default') return 'default';
  if (source.kind === 'file') return `file ${source.path}, line ${source.line}`;
  if (source.kind === 'flag') return `flag ${source.flag}`;
  const file = source.file === undefined ? '' : `, file ${source.file}`;
  return `environment variable ${source.variable}${file}`;
}
