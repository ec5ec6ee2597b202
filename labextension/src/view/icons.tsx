/** Icons as components: states from `pure/shapes.ts`, actions from the small table here. */
import * as React from 'react';
import { OUTLINES } from '../pure/shapes';
import { look } from '../pure/states';
import type { StateType } from '../wire/words';

interface IStateProps {
  type: StateType | null | undefined;
  name?: string | null;
  size?: number;
  /** Leave the word out where it stands beside the icon. */
  silent?: boolean;
}

/** A state as a shape with a colour; its word is there for screen readers and on hover. */
export const StateIcon = React.memo(function StateIcon({ type, name, size = 16, silent }: IStateProps) {
  const { label, shape, tone } = look(type, name);
  const outline = OUTLINES[shape];
  return (
    <svg
      className={`hr-state hr-tone-${tone}${shape === 'spinner' ? ' hr-mod-spin' : ''}`}
      width={size}
      height={size}
      viewBox="0 0 16 16"
      role={silent ? undefined : 'img'}
      aria-hidden={silent || undefined}
      aria-label={silent ? undefined : label}
    >
      {!silent && <title>{label}</title>}
      {outline.fill && <path d={outline.fill} fill="currentColor" fillRule="evenodd" />}
      {outline.stroke && (
        <path
          d={outline.stroke}
          fill="none"
          stroke="currentColor"
          strokeWidth="1.8"
          strokeLinecap="round"
          strokeLinejoin="round"
          strokeDasharray={outline.dash}
        />
      )}
    </svg>
  );
});

/** The state's icon and word. */
export function StateBadge({ type, name }: { type: StateType | null | undefined; name?: string | null }): JSX.Element {
  const { label, tone } = look(type, name);
  return (
    <span className={`hr-badge hr-tone-${tone}`}>
      <StateIcon type={type} name={name} silent />
      <span className="hr-badge-word">{label}</span>
    </span>
  );
}

const STROKES = {
  search: 'M7 2.2a4.8 4.8 0 1 0 0 9.6 4.8 4.8 0 0 0 0-9.6zM10.6 10.6 14 14',
  stop: 'M4 4h8v8H4z',
  play: 'M5 3.2v9.6L12.6 8z',
  pause: 'M5 3.2v9.6M11 3.2v9.6',
  trash: 'M3 4.4h10M6.4 4.4V2.6h3.2v1.8M4.4 4.4l.6 9h6l.6-9M6.8 7v4M9.2 7v4',
  retry: 'M12.9 6.4A5.2 5.2 0 1 0 13 9.4M13.4 2.8v3.8H9.6',
  forward: 'M2.6 3.4v9.2L8.4 8zM8.4 3.4v9.2l5.4-4.6z',
  more: 'M8 3.1v.1M8 8v.1M8 12.9v.1',
  close: 'M4 4l8 8M12 4l-8 8',
  copy: 'M5.4 5.4h8v8h-8zM10.6 5.4V2.6h-8v8h2.8',
  download: 'M8 2.4v7.4M4.8 7 8 10.2 11.2 7M2.8 13.2h10.4',
  wrap: 'M2.4 4h11.2M2.4 8h8.8a2.2 2.2 0 1 1 0 4.4H8.6M10 10.8l-1.6 1.6L10 14M2.4 12h3',
  fit: 'M2.4 6V2.4H6M10 2.4h3.6V6M13.6 10v3.6H10M6 13.6H2.4V10',
  plus: 'M8 3v10M3 8h10',
  minus: 'M3 8h10',
  down: 'M4 6l4 4 4-4',
  up: 'M4 10l4-4 4 4',
  right: 'M6 4l4 4-4 4',
  left: 'M10 4 6 8l4 4',
  follow: 'M4 3.4l4 4 4-4M4 8.4l4 4 4-4',
  filter: 'M2.4 3h11.2L9.4 8.2v4.6l-2.8-1.4V8.2z',
  notebook: 'M4.2 2h8.2v12H4.2zM2.6 4.6h2.6M2.6 8h2.6M2.6 11.4h2.6M7 5h3',
  flow: 'M2 5.4h4v5.2H2zM10.4 2h3.6v4.2h-3.6zM10.4 9.8h3.6V14h-3.6zM6 7.2l4.4-3M6 8.8l4.4 3',
  task: 'M2.6 4h10.8v8H2.6zM5.2 7h5.6M5.2 9.4h3.2',
  cell: 'M5.6 3H3v10h2.6M10.4 3H13v10h-2.6',
  check: 'M3 8.4l3.4 3.4L13 4.6',
  pick: 'M3 3h10v10H3zM5.6 8.2l1.8 1.8 3.2-3.8',
  calendar: 'M2.6 3.6h10.8v10H2.6zM2.6 6.8h10.8M5.4 2v2.8M10.6 2v2.8',
  refresh: 'M3 7a5.2 5.2 0 0 1 9-2.4l1 1.2M13 9a5.2 5.2 0 0 1-9 2.4l-1-1.2M13.2 2.6v3.4H9.8M2.8 13.4V10h3.4',
  gantt: 'M2.4 3.6h5.2M5 8h5.4M8.4 12.4h5.2',
  turn: 'M3 3.4h4.4v4H3zM3 10.6h10M10 7.8l3 2.8-3 2.8',
  share:
    'M4 6.6a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6zM12 1.8a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6zM12 10.6a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6zM5.6 7.6l4.8-3.2M5.6 9.2l4.8 2.6',
  home: 'M2.4 7.6 8 2.6l5.6 5M4 6.6v6.8h3v-3.8h2v3.8h3V6.6',
  compare: 'M2.6 2.6h4.4v10.8H2.6zM9 2.6h4.4v10.8H9zM4 5.4h1.6M4 8h1.6M10.4 5.4H12M10.4 10.6H12',
  edit: 'M3 13l.6-2.8L11 2.8l2.2 2.2-7.4 7.4zM9.6 4.2l2.2 2.2',
  link: 'M6.6 9.4a2.4 2.4 0 0 0 3.4 0l2.6-2.6a2.4 2.4 0 0 0-3.4-3.4l-1 1M9.4 6.6a2.4 2.4 0 0 0-3.4 0L3.4 9.2a2.4 2.4 0 0 0 3.4 3.4l1-1',
  star: 'M8 2l1.8 3.8 4.2.6-3 2.9.7 4.1L8 11.4l-3.7 2 .7-4.1-3-2.9 4.2-.6z',
  person: 'M8 2.4a2.6 2.6 0 1 0 0 5.2 2.6 2.6 0 0 0 0-5.2zM3 13.6c0-3 2.2-4.6 5-4.6s5 1.6 5 4.6',
  server: 'M2.6 3h10.8v4H2.6zM2.6 9h10.8v4H2.6zM5 5v.1M5 11v.1'
} as const;

export type IconName = keyof typeof STROKES;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }): JSX.Element {
  return (
    <svg className="hr-icon" width={size} height={size} viewBox="0 0 16 16" aria-hidden="true">
      <path
        d={STROKES[name]}
        fill="none"
        stroke="currentColor"
        strokeWidth={name === 'more' ? 2 : 1.4}
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  );
}
