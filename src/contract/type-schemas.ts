/**
 * Schemas of documents by object type: what a module must export, and what a document that does not fit becomes. Workers
 * and clients use the same module, so that what a worker would reject can be refused before it is sent.
 *
 * A schema sees a copy of the document, parsed by `JSON.parse`; what is stored are the bytes that were sent. So nothing
 * that a schema changes (defaults, transforms) is stored, and an integer beyond 2^53 arrives rounded in the schema and
 * exact in the database.
 */
import { ContractError, type IssuePath } from './errors.ts';
import { identifierFault } from './identifier.ts';

/** What is asked of a schema: every Zod schema can do it, of version 3 or 4 and from any copy of Zod. */
export interface DocumentSchema {
  safeParse(
    document: unknown,
  ): { readonly success: true } | { readonly success: false; readonly error: SchemaFailure };
}

interface SchemaFailure {
  readonly issues: readonly SchemaIssue[];
}

interface SchemaIssue {
  readonly path: readonly PropertyKey[];
  readonly code?: string | undefined;
}

/** By object type; a type without one takes any JSON object. */
export type TypeSchemas = ReadonlyMap<string, DocumentSchema>;

/** Issues that a message names; the others are in the error's `issues`. */
const NAMED_ISSUES_MAX = 5;

/** What is wrong with the exports of a module, or with what a client was given. */
export class TypeSchemasError extends Error {
  override readonly name = 'TypeSchemasError';
}

/**
 * Reads schemas by type from a record, or from a module: its default export is the record if there is one, else its
 * named exports are.
 *
 * @throws TypeSchemasError that names the export at fault.
 */
export function readTypeSchemas(given: unknown): TypeSchemas {
  const record = isModule(given) && 'default' in given ? given['default'] : given;
  if (typeof record !== 'object' || record === null || isSchema(record)) {
    throw new TypeSchemasError('the default export must be an object of Zod schemas by type');
  }
  const schemas = new Map<string, DocumentSchema>();
  for (const [type, schema] of Object.entries(record)) {
    const name = JSON.stringify(type);
    const fault = identifierFault(type);
    if (fault !== undefined) throw new TypeSchemasError(`the type ${name} ${fault}`);
    if (!isSchema(schema)) throw new TypeSchemasError(`${name} is not a Zod schema`);
    if (isAsynchronous(schema)) {
      throw new TypeSchemasError(
        `the schema of type ${name} has an asynchronous check; none can be waited for`,
      );
    }
    schemas.set(type, schema);
  }
  if (schemas.size === 0) throw new TypeSchemasError('there are no schemas in it');
  return schemas;
}

/**
 * What a document is rejected with, or `undefined` if it fits. The message names paths and kinds of issues, never what
 * the document says there.
 *
 * @param document valid JSON.
 */
export function schemaViolation(
  schema: DocumentSchema,
  type: string,
  document: string,
): ContractError | undefined {
  const name = JSON.stringify(type);
  let result: ReturnType<DocumentSchema['safeParse']>;
  try {
    result = schema.safeParse(JSON.parse(document));
  } catch (cause) {
    // A fault of the schema, an asynchronous check that could not be seen before among them. The letter can be replayed.
    const what = cause instanceof Error ? cause.constructor.name : typeof cause;
    return new ContractError('SCHEMA_VIOLATION', `the schema of type ${name} threw an error: ${what}`, {
      cause,
      issues: [],
    });
  }
  if (result.success) return undefined;
  const found = result.error.issues.flatMap(placesOf);
  const named = found.slice(0, NAMED_ISSUES_MAX).map(({ path, code }) => `${pathText(path)} (${code})`);
  if (found.length > named.length) named.push(`${found.length - named.length} more`);
  return new ContractError(
    'SCHEMA_VIOLATION',
    `the document does not fit the schema of type ${name}: ${named.join(', ')}`,
    { issues: found.map(({ path }) => path) },
  );
}

/** Zod names all unknown keys of an object in one issue, whose path is that of the object. */
function placesOf(issue: SchemaIssue): { path: IssuePath; code: string }[] {
  const { code = 'invalid' } = issue;
  const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step));
  const keys: unknown = 'keys' in issue ? issue.keys : undefined;
  if (code !== 'unrecognized_keys' || !Array.isArray(keys)) return [{ path, code }];
  return keys.map((key) => ({ path: [...path, String(key)], code }));
}

function pathText(path: IssuePath): string {
  return path.length === 0 ? 'the document' : path.join('.');
}

function isModule(given: unknown): given is Readonly<Record<string, unknown>> {
  return (
    typeof given === 'object' &&
    given !== null &&
    (given as Record<symbol, unknown>)[Symbol.toStringTag] === 'Module'
  );
}

function isSchema(value: unknown): value is DocumentSchema {
  return (
    typeof value === 'object' &&
    value !== null &&
    'safeParse' in value &&
    typeof value.safeParse === 'function'
  );
}

/** Parts of a definition that are looked at for asynchronous functions: far more than schemas have. */
const PARTS_MAX = 10_000;

/**
 * Whether a function in the schema's definition is asynchronous, as far as that can be seen: Zod keeps those of `refine`
 * where they can be found, and wraps those of `superRefine` and `transform`. The first document tells of the others.
 */
function isAsynchronous(schema: DocumentSchema): boolean {
  const seen = new Set<unknown>([schema]);
  for (const part of seen) {
    if (typeof part === 'function' && part.constructor.name === 'AsyncFunction') return true;
    if (typeof part !== 'object' || part === null || seen.size > PARTS_MAX) continue;
    const inner = definitionOf(part) ?? part;
    const parts = inner instanceof Map || inner instanceof Set ? [...inner.values()] : Object.values(inner);
    for (const each of parts) {
      if ((typeof each === 'object' && each !== null) || typeof each === 'function') seen.add(each);
    }
  }
  return false;
}

/** Where Zod 4 and Zod 3 keep what a schema, or a check, was made of. */
function definitionOf(part: object): object | undefined {
  const { _zod: internals, _def: definition } = part as {
    _zod?: { def?: object };
    _def?: object;
  };
  return internals?.def ?? definition;
}
