/** Writes the report into its file, between two marks: what people wrote around them stays. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { renderReport } from './markdown.ts';
import type { Results } from './results.ts';

const BEGIN = '<!-- begin of what `npm run bench` writes -->';
const END = '<!-- end of what `npm run bench` writes -->';

const NEW_FILE = `<!-- biome-ignore-all format: rendered by npm run bench -->\n\n# Benchmarks\n\n${BEGIN}\n${END}\n`;

/** @returns the files, the report and the raw results beside it. */
export async function writeReport(results: Results, file: string): Promise<{ report: string; raw: string }> {
  const raw = file.replace(/(\.md)?$/, '.json');
  await mkdir(dirname(file), { recursive: true });
  const old = await readFile(file, 'utf8').catch(() => NEW_FILE);
  const begin = old.indexOf(BEGIN);
  const end = old.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`${file} has no place for the report: ${BEGIN} … ${END}`);
  const report = `${old.slice(0, begin)}${BEGIN}\n\n${renderReport(results)}\n\n${old.slice(end)}`;
  await writeFile(file, report);
  await writeFile(raw, `${JSON.stringify(results, null, 1)}\n`);
  return { report: file, raw };
}
