/** The body of a letter for a terminal: JSON laid out without touching its values, everything else made harmless. */
import { isUtf8 } from 'node:buffer';

const INDENT = '  ';
/** Deeper levels stay on one line: five thousand of them indented would be megabytes of blanks. */
const INDENTED_DEPTH_MAX = 40;

/** The lines of a body; those that are JSON laid out, each number and string as it stands. */
export function bodyLines(body: Buffer): string[] {
  if (!isUtf8(body)) return [`(${body.length} bytes that are no UTF-8; --body writes them as they are)`];
  const text = body.toString().replace(/\n$/, '');
  if (text === '') return ['(empty)'];
  return text.split('\n').flatMap((line) => (isJson(line) ? layOut(line) : [harmless(line)]));
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Control characters as escapes, so that a letter cannot steer the terminal. */
export function harmless(text: string): string {
  return text.replaceAll(
    // oxlint-disable-next-line no-control-regex -- these are what is looked for
    /[\u0000-\u001f\u007f-\u009f]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Lays valid JSON out. To parse and print it again would round numbers. */
function layOut(json: string): string[] {
  const lines: string[] = [];
  let line = '';
  let depth = 0;
  const breakLine = (): void => {
    if (depth > INDENTED_DEPTH_MAX) return;
    lines.push(line.trimEnd());
    line = INDENT.repeat(depth);
  };
  for (const token of json.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? []) {
    if (token === '{' || token === '[') {
      line += token;
      depth += 1;
      breakLine();
    } else if (token === '}' || token === ']') {
      depth -= 1;
      if (/[{[]$/.test((lines.at(-1) ?? '').trimEnd()) && line.trim() === '') line = lines.pop() ?? '';
      else if (depth < INDENTED_DEPTH_MAX) breakLine();
      line += token;
    } else if (token === ',') {
      line += token;
      breakLine();
    } else {
      line += token === ':' ? ': ' : harmless(token);
    }
  }
  return [...lines, line];
}
