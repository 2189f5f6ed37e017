/** Makes object ids out of documents: from one member, or from a template such as `city-{country}-{name}`. */
import { usageFailure } from '../command-failure.ts';
import { topLevelValues } from './top-level-values.ts';

/** Either an id or what is wrong with the document it should come from. */
export type IdResult = { readonly id: string; readonly fault?: undefined } | { readonly fault: string };

export class IdTemplate {
  /** Literal texts and, at odd places, names of members. */
  readonly #parts: readonly string[];
  readonly #wanted: ReadonlySet<string>;

  /**
   * @param template the name of a member; or a text in which `{name}` stands for a member, `{{` and `}}` for braces.
   * @throws CommandFailure if braces do not match.
   */
  constructor(template: string) {
    this.#parts = /[{}]/.test(template) ? parse(template) : ['', template, ''];
    this.#wanted = new Set(this.#parts.filter((_, index) => index % 2 === 1));
  }

  /** @param document bytes in which `documentFault` found nothing broken. */
  idOf(document: Buffer): IdResult {
    const values = topLevelValues(document, this.#wanted);
    let id = '';
    for (const [index, part] of this.#parts.entries()) {
      if (index % 2 === 0) {
        id += part;
        continue;
      }
      const raw = values.get(part);
      if (raw === undefined)
        return { fault: `the document has no member ${JSON.stringify(part)} for the id` };
      if (raw.startsWith('"')) id += JSON.parse(raw) as string;
      // As it is written: 9007199254740993 stays that.
      else if (/^-?[0-9]+$/.test(raw)) id += raw;
      else
        return {
          fault: `the member ${JSON.stringify(part)} for the id is neither a text nor a whole number`,
        };
    }
    return { id };
  }
}

function parse(template: string): string[] {
  const parts: string[] = [];
  let text = '';
  for (const [token] of template.matchAll(/\{\{|\}\}|\{[^{}]+\}|[{}]|[^{}]+/gu)) {
    if (token === '{' || token === '}') {
      throw usageFailure(
        `--id ${JSON.stringify(template)} has a brace without its counterpart`,
        'Write {name} for a member of the document, {{ and }} for braces',
      );
    }
    if (token === '{{' || token === '}}') text += token.slice(1);
    else if (token.startsWith('{')) {
      parts.push(text, token.slice(1, -1));
      text = '';
    } else text += token;
  }
  if (parts.length > 0) return [...parts, text];
  throw usageFailure(
    `--id ${JSON.stringify(template)} names no member, so every object would have the same id`,
    'Write {name} for a member of the document',
  );
}
