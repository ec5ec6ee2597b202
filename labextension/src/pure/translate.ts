/** Texts as they are written, with their values put in: where the page has no translations of its own. */
import type { ITranslator } from '../tokens';

function fill(text: string, values: (string | number)[]): string {
  return text.replace(/%(\d)/g, (whole, at) => String(values[Number(at) - 1] ?? whole));
}

export const untranslated: ITranslator = {
  __: (text, ...values) => fill(text, values),
  _n: (one, many, count, ...values) => fill(count === 1 ? one : many, values)
};
