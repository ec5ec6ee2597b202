/**
 * Scrolling through more rows than an element may be high.
 *
 * Browsers stop at some 16 to 33 million pixels; a million rows of 18 px come near. Up to LIMIT the scroll bar is
 * exact; beyond, one pixel of it stands for more than one pixel of rows, and the wheel is applied to the rows.
 */

export const ROW_HEIGHT = 18;
/** Well below every browser's limit (Firefox: 17.8 million). */
export const LIMIT = 8_000_000;

export interface IScale {
  /** Height of all rows. */
  full: number;
  /** Height of the element that gives the scroll bar its size. */
  drawn: number;
  /** Rows' pixels per pixel of the scroll bar. */
  ratio: number;
}

export function scale(rows: number, view: number): IScale {
  const full = rows * ROW_HEIGHT;
  const drawn = Math.min(full, LIMIT);
  const range = drawn - view;
  return { full, drawn, ratio: range > 0 ? Math.max(1, (full - view) / range) : 1 };
}

/** Where the first visible pixel of the rows is, for a place of the scroll bar. */
export function offsetOf(scrollTop: number, { full, drawn, ratio }: IScale, view: number): number {
  // Both ends are exact, so that the last line can always be reached.
  if (scrollTop >= drawn - view - 1) {
    return Math.max(0, full - view);
  }
  return Math.max(0, scrollTop * ratio);
}

/** Where the scroll bar stands for an offset into the rows. */
export function scrollOf(offset: number, { ratio }: IScale): number {
  return offset / ratio;
}
