/** The migrations that belong to this version, read from the SQL files beside. */
import { readdirSync, readFileSync } from 'node:fs';

export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
}

const FOLDER = new URL('./migrations/', import.meta.url);
const FILE_PATTERN = /^(\d{4})-([a-z0-9-]+)\.sql$/;

/** In ascending order. */
export const MIGRATIONS: readonly Migration[] = readdirSync(FOLDER)
  .toSorted()
  .flatMap((file) => {
    const match = FILE_PATTERN.exec(file);
    if (match === null) return [];
    return [
      {
        number: Number(match[1]),
        name: file.replace(/\.sql$/, ''),
        sql: readFileSync(new URL(file, FOLDER), 'utf8'),
      },
    ];
  });
