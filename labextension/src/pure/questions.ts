/** What a paused run asks, as fields: from the JSON schema of its answer. */
import type { IParameter } from '../wire/words';

type Schema = Record<string, unknown>;

function record(value: unknown): Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Schema) : {};
}

/** A property with its reference followed and its “or nothing” taken off. */
function plain(property: Schema, definitions: Schema): { schema: Schema; nullable: boolean } {
  let schema = property;
  let nullable = false;
  for (let depth = 0; depth < 8; depth += 1) {
    if (typeof schema.$ref === 'string') {
      schema = { ...record(definitions[schema.$ref.split('/').pop() ?? '']), ...schema, $ref: undefined };
      continue;
    }
    const choices = (schema.anyOf ?? schema.oneOf ?? schema.allOf) as Schema[] | undefined;
    if (!Array.isArray(choices)) {
      break;
    }
    const some = choices.filter(each => each.type !== 'null');
    nullable ||= some.length < choices.length;
    if (some.length !== 1) {
      return { schema: { ...schema, type: 'object' }, nullable };
    }
    schema = { ...schema, ...some[0], anyOf: undefined, oneOf: undefined, allOf: undefined };
  }
  return { schema, nullable };
}

/** The fields of a question; empty where it asks for nothing, so that going on is the whole answer. */
export function questionFields(schema: unknown): IParameter[] {
  const whole = record(schema);
  const definitions = record(whole.$defs ?? whole.definitions);
  const required = new Set(Array.isArray(whole.required) ? whole.required.map(String) : []);
  return Object.entries(record(whole.properties)).map(([name, value]) => {
    const { schema: property, nullable } = plain(record(value), definitions);
    const choices = property.const === undefined ? property.enum : [property.const];
    const title = typeof property.title === 'string' ? property.title : null;
    const about = typeof property.description === 'string' ? property.description : null;
    return {
      name,
      type: String(property.type ?? 'string'),
      annotation: typeof property.format === 'string' ? property.format : null,
      default: property.default ?? null,
      required: required.has(name) && !nullable,
      choices: Array.isArray(choices) ? choices : null,
      help: about ?? (title && title.toLowerCase() !== name.toLowerCase() ? title : null),
      secret: property.writeOnly === true || property.format === 'password'
    };
  });
}
