/** The body of a letter for a terminal: JSON laid out without touching its values, everything else made harmless. */
import { isUtf8 } from 'node:buffer';

const INDENT = '  ';
/** Deeper levels stay on one line: five thousand of them indented would be megabytes of blanks. */
const INDENTED_DEPTH_MAX = 40;

/** Laid out in all. A regular expression over a string of many megabytes ends in a RangeError, and nobody reads it. */
const LAID_OUT_BYTES_MAX = 1_048_576;
const NEWLINE = 0x0a;

/** The lines of a body; those that are JSON laid out, each number and string as it stands, as long as they are few. */
export function bodyLines(body: Buffer): string[] {
  if (!isUtf8(body)) return [`(${body.length} bytes that are no UTF-8; --body writes them as they are)`];
  if (body.length === 0 || (body.length === 1 && body[0] === NEWLINE)) return ['(empty)'];
  const lines: string[] = [];
  let bytesLeft = LAID_OUT_BYTES_MAX;
  for (let start = 0; start < body.length; ) {
    const newline = body.indexOf(NEWLINE, start);
    const end = newline === -1 ? body.length : newline;
    if (end - start > bytesLeft) {
      lines.push(`(${body.length - start} more bytes, too many to lay out; --body writes all as they are)`);
      break;
    }
    bytesLeft -= end - start;
    const line = body.toString('utf8', start, end);
    // n.b. One by one: an array of many as arguments would overflow the stack.
    for (const each of isJson(line) ? layOut(line) : [harmless(line)]) lines.push(each);
    start = end + 1;
  }
  return lines;
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
