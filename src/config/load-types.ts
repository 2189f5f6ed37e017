/** Loads the module that the option `types` names: the schemas of documents by object type. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { readTypeSchemas, type TypeSchemas, TypeSchemasError } from '../contract/type-schemas.ts';
import { configError } from './config-error.ts';

/**
 * @param path of a JavaScript module, relative to the working directory; `undefined` for none, which is no schema.
 * @throws HoldfastError `CONFIG_INVALID` if it does not exist, cannot be loaded, or does not export schemas.
 */
export async function loadTypes(path: string | undefined): Promise<TypeSchemas> {
  if (path === undefined) return new Map();
  const file = resolve(path);
  if (!existsSync(file)) throw configError(`types: the module ${file} does not exist`);
  let exported: unknown;
  try {
    exported = await import(pathToFileURL(file).href);
  } catch (error) {
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    throw configError(`types: the module ${file} cannot be loaded: ${reason}`, error);
  }
  try {
    return readTypeSchemas(exported);
  } catch (error) {
    if (!(error instanceof TypeSchemasError)) throw error;
    throw configError(`types: the module ${file} cannot be used: ${error.message}`, error);
  }
}
