/**
 * Finds the rows that the database refuses, on the server, in one round trip for any number of them.
 *
 * A function in the connection's temporary schema writes the rows in order, in spans that are subtransactions of their
 * own. A span that goes through doubles the next one; a span that fails is undone and tried again at a quarter of its
 * length, down to the single row, which is reported. So n rows of which k are refused cost about n + k log(n) row
 * writes and no round trip each.
 *
 * Documents come as bytes and are read inside the subtransactions: an array of jsonb would be read before the function
 * is called, and one bad document would fail the whole call.
 *
 * Temporary, not installed by a migration: it always fits the worker that calls it, nobody else can call or replace it,
 * and it asks for no right but TEMP, which large batches need as well. It is always called by its schema, and the
 * tables in it are found by the search path of the session, as in every other statement. A pooler that hands out
 * servers by transaction would lose it, and the session settings with it; `doctor` refuses one.
 */
import { booleanArray, byteaArray } from './binary-array.ts';
import type { Connection, Queryable } from './connection.ts';
import { deleteObjectsFrom, tombstoneArrays } from './delete-objects.ts';
import { insertObjectsFrom, objectArrays } from './insert-objects.ts';
import { checkMissingColumn } from './missing-column.ts';
import { epochArrays, raiseEpochsFrom } from './raise-epochs.ts';
import { ROW_FAILURE_CLASSES } from './sqlstate.ts';
import type { EpochRow, ObjectRow, RefusedRow, TombstoneRow, UpdateRow, WrittenRow } from './store.ts';
import { failureOf, guardMiss, isGuardMiss, StoreError } from './store-error.ts';
import { updateObjectsFrom } from './update-objects.ts';
import { upsertTombstonesFrom } from './upsert-tombstones.ts';

/** Raised by the function where a guard stopped rows; PostgreSQL's own codes have no such class. */
const GUARD_MISS = 'HFG01';
/** Raised by the function to undo a row that went through, where none is to be kept. */
const UNDONE = 'HFG02';

/** The first span; a few dozen rows cost about as much as the subtransaction around them. */
const FIRST_SPAN_ROWS = 64;
/** Longest span: what is written in vain when its last row is refused. */
const SPAN_ROWS_MAX = 256;

/** One way to try rows. */
interface Trial<Row> {
  readonly name: string;
  /** Of the arrays that hold the rows. */
  readonly parameters: readonly (readonly [name: string, type: string])[];
  readonly arrays: (rows: readonly Row[]) => unknown[];
  /** What is named if it is refused. */
  readonly rowOf: (row: Row) => WrittenRow;
  /** Write the rows `head` to `tail`; each must change every one of them. */
  readonly statements: readonly string[];
}

const rowsOf = (...columns: string[]): string =>
  `(SELECT ${columns.join(', ')} FROM generate_series(head, tail) AS n)`;

const DOCUMENT = `convert_from(documents[n], 'UTF8')::jsonb`;

const OBJECT_PARAMETERS = [
  ['ids', 'varchar'],
  ['types', 'varchar'],
  ['documents', 'bytea'],
  ['versions', 'bigint'],
  ['epochs', 'bigint'],
  ['next_rcseqs', 'bigint'],
] as const;
const OBJECT_COLUMNS = ['ids[n]', 'types[n]', DOCUMENT, 'versions[n]', 'epochs[n]', 'next_rcseqs[n]'];

export const INSERTS: Trial<ObjectRow> = {
  name: 'holdfast_try_inserts',
  parameters: OBJECT_PARAMETERS,
  arrays: (rows) => objectArrays(rows, byteaArray),
  rowOf: (row) => row,
  statements: [insertObjectsFrom(rowsOf(...OBJECT_COLUMNS))],
};

export const UPDATES: Trial<UpdateRow> = {
  name: 'holdfast_try_updates',
  parameters: [...OBJECT_PARAMETERS, ['recreated', 'boolean']],
  arrays: (updates) => [
    ...objectArrays(
      updates.map(({ row }) => row),
      byteaArray,
    ),
    booleanArray(updates.map(({ recreated }) => recreated)),
  ],
  rowOf: ({ row }) => row,
  statements: [updateObjectsFrom(rowsOf(...OBJECT_COLUMNS, 'recreated[n]'))],
};

const TOMBSTONE_ROWS = rowsOf('ids[n]', 'versions[n]', 'epochs[n]');

export const DELETES: Trial<TombstoneRow> = {
  name: 'holdfast_try_deletes',
  parameters: [
    ['ids', 'varchar'],
    ['versions', 'bigint'],
    ['epochs', 'bigint'],
  ],
  arrays: tombstoneArrays,
  rowOf: (row) => row,
  statements: [deleteObjectsFrom(TOMBSTONE_ROWS), upsertTombstonesFrom(TOMBSTONE_ROWS)],
};

export const EPOCHS: Trial<EpochRow> = {
  name: 'holdfast_try_epochs',
  parameters: [
    ['ids', 'varchar'],
    ['epochs', 'bigint'],
  ],
  arrays: epochArrays,
  rowOf: (row) => row,
  statements: [raiseEpochsFrom(rowsOf('ids[n]', 'epochs[n]'))],
};

/** Only reads the documents: what is to be compared. */
export const DOCUMENTS: Trial<ObjectRow> = {
  name: 'holdfast_try_documents',
  parameters: [['documents', 'bytea']],
  arrays: (rows) => [byteaArray(rows)],
  rowOf: (row) => row,
  statements: [`PERFORM ${DOCUMENT} FROM generate_series(head, tail) AS n`],
};

const TRIALS: readonly Trial<never>[] = [INSERTS, UPDATES, DELETES, EPOCHS, DOCUMENTS];

const ROW_CLASSES = ROW_FAILURE_CLASSES.map((sqlstateClass) => `'${sqlstateClass}'`).join(', ');

/**
 * The variables go before columns of the same name; the statements name every column with its table. A failed assertion
 * in a trigger is an error like others, but OTHERS does not cover it. Generic plans: a custom one copies the arrays into
 * itself, all of them for every span; measured with 4,000 rows of 500 bytes and 8 refused, 386 ms instead of 110 ms.
 */
function definition({ name, parameters, statements }: Trial<never>): string {
  const list = [...parameters.map(([parameter, type]) => `${parameter} ${type}[]`), 'keep boolean'].join(
    ', ',
  );
  const checked = statements.map(
    (statement) => `${statement};
        GET DIAGNOSTICS changed = ROW_COUNT;
        IF changed <> tail - head + 1 THEN RAISE SQLSTATE '${GUARD_MISS}'; END IF;`,
  );
  return `
    CREATE OR REPLACE FUNCTION pg_temp.${name}(${list})
    RETURNS TABLE (ord integer, code text, constraint_of text, column_of text, message_of text)
    LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $function$
    #variable_conflict use_variable
    DECLARE
      total CONSTANT integer := cardinality(${parameters[0]?.[0]});
      span integer := CASE WHEN keep THEN ${FIRST_SPAN_ROWS} ELSE 1 END;
      head integer := 1;
      tail integer;
      changed integer;
    BEGIN
      WHILE head <= total LOOP
        tail := least(head + span - 1, total);
        BEGIN
          ${checked.join('\n')}
          IF NOT keep THEN RAISE SQLSTATE '${UNDONE}'; END IF;
          head := tail + 1;
          span := least(2 * span, ${SPAN_ROWS_MAX});
        EXCEPTION WHEN OTHERS OR assert_failure THEN
          IF SQLSTATE = '${UNDONE}' THEN
            head := tail + 1;
          ELSIF SQLSTATE <> '${GUARD_MISS}'
              AND left(SQLSTATE, 2) NOT IN (${ROW_CLASSES}) THEN
            RAISE;
          ELSIF tail > head THEN
            span := greatest((tail - head + 1) / 4, 1);
          ELSE
            ord := head - 1;
            GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, constraint_of = CONSTRAINT_NAME,
              column_of = COLUMN_NAME, message_of = MESSAGE_TEXT;
            RETURN NEXT;
            head := head + 1;
          END IF;
        END;
      END LOOP;
    END $function$`;
}

/** Once per connection, outside any transaction, whose rollback would take them away. */
export const CREATE_TRIALS = { text: TRIALS.map(definition).join(';') };

/**
 * Tries rows in order inside the open transaction and returns those that are refused, in order.
 *
 * @param keep whether the others stay written, each beside those before it; if not, each row is tried for itself.
 * @throws StoreError where it is not a row that fails.
 */
export async function tryRows<Row>(
  connection: Connection,
  trial: Trial<Row>,
  rows: readonly Row[],
  keep: boolean,
): Promise<RefusedRow[]> {
  if (rows.length === 0) return [];
  const casts = trial.parameters.map(([, type], index) => `$${index + 1}::${type}[]`);
  const statement = {
    name: trial.name,
    text: `SELECT * FROM pg_temp.${trial.name}(${casts.join(', ')}, $${casts.length + 1}::boolean)`,
  };
  const found = await connection.query<ReportedRow>(statement, [...trial.arrays(rows), keep]);
  const refused = found.rows.flatMap((reported): RefusedRow[] => {
    const row = rows[reported[0]];
    return row === undefined ? [] : [{ row: trial.rowOf(row), error: errorOf(reported) }];
  });
  await checkRefusals(connection, refused);
  return refused;
}

type ReportedRow = [index: number, sqlstate: string, constraint: string, column: string, message: string];

function errorOf([, sqlstate, constraint, column, message]: ReportedRow): StoreError {
  if (sqlstate === GUARD_MISS) return guardMiss(1, 1);
  return new StoreError(message, {
    failure: failureOf(sqlstate, constraint),
    sqlstate,
    constraint: constraint === '' ? undefined : constraint,
    column: column === '' ? undefined : column,
  });
}

/** @throws StoreError if one of them is no row's fault: a key that somebody took meanwhile, a column that is not ours. */
async function checkRefusals(connection: Queryable, refused: readonly RefusedRow[]): Promise<void> {
  const columns = new Map<string, StoreError>();
  for (const { error } of refused) {
    if (error.failure !== 'row' && !isGuardMiss(error)) throw error;
    if (error.column !== undefined) columns.set(`${error.sqlstate}/${error.column}`, error);
  }
  for (const error of columns.values()) await checkMissingColumn(connection, error);
}
