/** The two rendered files equal the schema. After a change of the schema, `vitest run -u` writes them anew. */
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { renderConfigFile, renderOptionsDocument } from '../../src/config/describe-config.ts';
import { OPTION_DESCRIPTIONS } from '../../src/config/option-descriptions.ts';
import { Options } from '../../src/config/options.ts';

describe('docs/options.md', () => {
  it('is what the schema renders', async () => {
    await expect(renderOptionsDocument()).toMatchFileSnapshot('../../docs/options.md');
  });

  it('names every option, variable and flag', () => {
    const text = renderOptionsDocument();
    for (const { name, environmentName, flag } of OPTION_DESCRIPTIONS) {
      expect(text).toContain(`| \`${name}\` |`);
      expect(text).toContain(`\`${environmentName}\``);
      expect(text).toContain(`\`${flag}\``);
    }
  });
});

describe('config/holdfast.yaml', () => {
  it('is what the schema renders', async () => {
    await expect(renderConfigFile()).toMatchFileSnapshot('../../config/holdfast.yaml');
  });

  it('gives nothing as it stands, and the defaults with every option uncommented', () => {
    const text = renderConfigFile();
    expect(parse(text)).toBeNull();
    const examples = OPTION_DESCRIPTIONS.filter((option) => option.example !== undefined);
    const expected = {
      ...Options.parse({}),
      ...Object.fromEntries(examples.map(({ name, example }) => [name, example])),
    };
    expect(parse(text.replaceAll(/^#(?=[a-z])/gm, ''))).toEqual(expected);
  });

  it('keeps its lines short', () => {
    for (const line of renderConfigFile().split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });
});
