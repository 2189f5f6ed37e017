/**
 * The one schema of all options, relations included. `Options.parse({})` is the defaults; `Options.parse({ writers: 4 })`
 * is the defaults with one of them changed.
 */
import { OptionFields, type OptionValues } from './option-fields.ts';
import { OPTION_RELATIONS } from './option-relations.ts';

/** Every option, checked. An issue of a relation carries the relation's index in `params.relation`. */
export const Options = OptionFields.superRefine((options, context) => {
  for (const [index, relation] of OPTION_RELATIONS.entries()) {
    if (relation.holds(options)) continue;
    context.addIssue({
      code: 'custom',
      path: relation.options.slice(0, 1),
      message: `${relation.requirement} must hold: ${relation.reason}`,
      params: { relation: index },
    });
  }
});
export type Options = OptionValues;
export type OptionName = keyof Options;

/** Every option, in the order of the documentation. */
export const OPTION_NAMES: readonly OptionName[] = OptionFields.keyof().options;

/** Whether `name` is the name of an option, as it stands in the file. */
export function isOptionName(name: string): name is OptionName {
  return Object.hasOwn(OptionFields.shape, name);
}
