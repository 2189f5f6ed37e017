/** Reads out of the schema what files, environment, flags and documentation need to know about each option. */
import { z } from 'zod';
import { OptionFields, type OptionGroup, type OptionMeta } from './option-fields.ts';
import { OPTION_NAMES, type OptionName } from './options.ts';
import { quantityText } from './quantity.ts';

/** Everything there is to say about one option. */
export interface OptionDescription {
  readonly name: OptionName;
  readonly group: OptionGroup;
  readonly description: string;
  readonly kind: 'integer' | 'text';
  readonly unit: string | undefined;
  /** Completes the phrase "must be". */
  readonly allowed: string;
  readonly defaultValue: string | number | undefined;
  /** Shown where there is no default. */
  readonly example: string | undefined;
  readonly secret: boolean;
  /** `HOLDFAST_BATCH_BYTES_MAX`. */
  readonly environmentName: string;
  /** `HOLDFAST_AMQP_URL_FILE`: names a file with the value. Secrets only. */
  readonly environmentFileName: string | undefined;
  /** `--batch-bytes-max`. */
  readonly flag: string;
}

/** What `z.toJSONSchema` says of one option; everything comes out of our own schema. */
interface OptionJson extends OptionMeta {
  readonly type: 'integer' | 'string';
  readonly default?: string | number;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly multipleOf?: number;
}

/** Every option, in the order of the documentation. */
export const OPTION_DESCRIPTIONS: readonly OptionDescription[] = describeOptions();

const BY_NAME = new Map(OPTION_DESCRIPTIONS.map((description) => [description.name, description]));

export function descriptionOf(name: OptionName): OptionDescription {
  const description = BY_NAME.get(name);
  if (description === undefined) throw new RangeError(`${name} is not an option`);
  return description;
}

function describeOptions(): OptionDescription[] {
  const json = z.toJSONSchema(OptionFields, { io: 'input' });
  const properties = json.properties as unknown as Readonly<Record<OptionName, OptionJson>>;
  return OPTION_NAMES.map((name) => {
    const option = properties[name];
    const environmentName = `HOLDFAST_${words(name).join('_').toUpperCase()}`;
    return {
      name,
      group: option.group,
      description: option.description,
      kind: option.type === 'integer' ? 'integer' : 'text',
      unit: option.unit,
      allowed: option.allowed ?? allowedText(option),
      defaultValue: option.default,
      example: option.example,
      secret: option.secret === true,
      environmentName,
      environmentFileName: option.secret === true ? `${environmentName}_FILE` : undefined,
      flag: `--${words(name).join('-')}`,
    };
  });
}

function allowedText(option: OptionJson): string {
  if (option.enum !== undefined) return `one of ${option.enum.join(', ')}`;
  if (option.type !== 'integer') return 'text';
  const { minimum, maximum, multipleOf, unit } = option;
  const what = multipleOf === undefined ? 'a whole number' : `a multiple of ${multipleOf}`;
  return `${what} from ${minimum} to ${quantityText(maximum ?? Number.MAX_SAFE_INTEGER, unit)}`;
}

/** `batchBytesMax` -> `batch`, `bytes`, `max`. */
function words(name: string): string[] {
  return name.split(/(?=[A-Z])/).map((word) => word.toLowerCase());
}
