/** Outlines of the state shapes in a 16 × 16 field; filled unless they say stroke. One table for screen and export. */
import type { Shape } from './states';

export interface IOutline {
  fill?: string;
  stroke?: string;
  /** Dashes of the stroke. */
  dash?: string;
}

const DISC = 'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1z';
const RING = 'M8 1.9a6.1 6.1 0 1 0 0 12.2A6.1 6.1 0 0 0 8 1.9z';

// A second subpath inside the first is cut out of it (even-odd).
export const OUTLINES: Record<Shape, IOutline> = {
  check: { fill: `${DISC}M6.9 11.4 3.7 8.2l1.2-1.2 2 2 4.2-4.2L12.3 6z` },
  cross: {
    fill: 'M5 1h6l4 4v6l-4 4H5l-4-4V5zM5.6 4.4 4.4 5.6 6.8 8l-2.4 2.4 1.2 1.2L8 9.2l2.4 2.4 1.2-1.2L9.2 8l2.4-2.4-1.2-1.2L8 6.8z'
  },
  bang: { fill: 'M8 .8 15.6 14.6H.4zM7.1 5.6v4.6h1.8V5.6zM7.1 11.2v1.8h1.8v-1.8z' },
  spinner: { stroke: 'M8 1.9A6.1 6.1 0 1 1 1.9 8' },
  dots: {
    fill: 'M3.4 6.4a1.6 1.6 0 1 0 0 3.2 1.6 1.6 0 0 0 0-3.2zM8 6.4a1.6 1.6 0 1 0 0 3.2 1.6 1.6 0 0 0 0-3.2zM12.6 6.4a1.6 1.6 0 1 0 0 3.2 1.6 1.6 0 0 0 0-3.2z'
  },
  clock: { stroke: `${RING}M8 4.6V8l2.5 1.8` },
  pause: { fill: 'M3.6 2.4h3v11.2h-3zM9.4 2.4h3v11.2h-3z' },
  stop: { stroke: 'M2.9 2.9h10.2v10.2H2.9zM5.5 8h5' },
  slash: { stroke: `${RING}M3.8 12.2l8.4-8.4` },
  bolt: { fill: `${DISC}M8.9 3 4.6 8.9h2.9L6.9 13l4.4-6H8.4z` },
  skip: { fill: 'M2 3.2 7.4 8 2 12.8zM7.4 3.2 12.8 8l-5.4 4.8zM12.8 3.2h1.6v9.6h-1.6z' },
  hollow: { stroke: RING, dash: '2.4 2' },
  undo: { stroke: 'M3.2 9.2A5.2 5.2 0 1 0 4.6 4.3M2.6 2.2v3.6h3.6' },
  hourglass: { stroke: 'M3.4 1.9h9.2M3.4 14.1h9.2M4.6 1.9c0 4 6.8 4.2 6.8 12.2M11.4 1.9c0 4-6.8 4.2-6.8 12.2' }
};
