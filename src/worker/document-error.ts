/** What a document is rejected with: it is looked into once it is known that it will be written. */
import { documentFault } from '../contract/document.ts';
import { ContractError } from '../contract/errors.ts';
import { schemaViolation, type TypeSchemas } from '../contract/type-schemas.ts';
import type { ObjectRow } from '../store/store.ts';

/** `undefined` if it can be stored, as far as can be told without the database, and fits the schema of its type. */
export function documentError(row: ObjectRow, schemas: TypeSchemas): ContractError | undefined {
  const { type, body, documentStart, documentEnd } = row;
  const fault = documentFault(body, documentStart, documentEnd);
  if (fault !== undefined) return new ContractError(fault.code, fault.message);
  const schema = schemas.get(type);
  if (schema === undefined) return undefined;
  return schemaViolation(schema, type, body.toString('utf8', documentStart, documentEnd));
}
