/** The curve through an edge's points, for the canvas and for SVG alike. */
import type { Direction } from './scene';

export interface IPen {
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
  bezierCurveTo(ax: number, ay: number, bx: number, by: number, x: number, y: number): void;
}

/** Draw a smooth line; `simple` draws it straight, for a view from far away. */
export function trace(pen: IPen, points: readonly number[], direction: Direction, simple = false): void {
  pen.moveTo(points[0], points[1]);
  for (let at = 2; at < points.length; at += 2) {
    const [x0, y0, x, y] = [points[at - 2], points[at - 1], points[at], points[at + 1]];
    if (simple) {
      pen.lineTo(x, y);
    } else if (direction !== 'down') {
      const reach = Math.max(18, Math.abs(x - x0) / 2);
      pen.bezierCurveTo(x0 + reach, y0, x - reach, y, x, y);
    } else {
      const reach = Math.max(18, Math.abs(y - y0) / 2);
      pen.bezierCurveTo(x0, y0 + reach, x, y - reach, x, y);
    }
  }
}

const short = (value: number) => String(Math.round(value * 10) / 10);

/** The same as an SVG path's text. */
export function pathText(points: readonly number[], direction: Direction): string {
  const parts: string[] = [];
  trace(
    {
      moveTo: (x, y) => parts.push(`M${short(x)} ${short(y)}`),
      lineTo: (x, y) => parts.push(`L${short(x)} ${short(y)}`),
      bezierCurveTo: (...numbers) => parts.push(`C${numbers.map(short).join(' ')}`)
    },
    points,
    direction
  );
  return parts.join('');
}
