/** Texts as they are written, with their values put in: where the page has no translations of its own. */
import type { ITranslator } from '../tokens';

function fill(text: string, values: (string | number)[]): string {
  return text.replace(/%(\d)/g, (whole, at) => String(values[Number(at) - 1] ?? whole));
}

export const untranslated: ITranslator = {
  __: (text, ...values) => fill(text, values),
  // As Lab's: %1 is the count itself.
  _n: (one, many, count, ...values) => fill(count === 1 ? one : many, [count, ...values])
};

let page = untranslated;

/** The page's language, for pure parts that no view hands one to. */
export function pageTranslator(): ITranslator {
  return page;
}

/** Said once, when the page starts. */
export function setPageTranslator(trans: ITranslator): void {
  page = trans;
}
