/** Colours of states where CSS classes do not reach: canvases and exported pictures. */
import * as React from 'react';
import { look, tally, type Tone } from '../pure/states';
import type { IRun } from '../wire/words';
import type { Item } from './tree';

/** The tone of an item: its own state's, or its members' together. */
export function toneOf(item: Item, nodes: ReadonlyMap<string, IRun>): Tone {
  const state = stateOf(item, nodes);
  return look(state.state_type, state.state_name).tone;
}

/** An item's state: its own, or what stands for its members'. */
export function stateOf(item: Item, nodes: ReadonlyMap<string, IRun>): Pick<IRun, 'state_type' | 'state_name'> {
  if (item.kind === 'run') {
    const run = nodes.get(item.id);
    return { state_type: run?.state_type ?? null, state_name: run?.state_name ?? null };
  }
  const { type, name } = tally(membersOf(item, nodes));
  return { state_type: type, state_name: name };
}

export function membersOf(item: Item, nodes: ReadonlyMap<string, IRun>): IRun[] {
  return item.members.map(id => nodes.get(id)).filter((run): run is IRun => !!run);
}

/** Read the theme's colours off an element. */
export function readTone(element: Element, tone: Tone | 'frame'): string {
  const style = getComputedStyle(element);
  return style.getPropertyValue(`--hr-tone-${tone}`).trim() || style.color;
}

/** A number that changes with the theme. */
export function useTheme(): number {
  const [theme, setTheme] = React.useState(0);
  React.useEffect(() => {
    const observer = new MutationObserver(() => setTheme(old => old + 1));
    observer.observe(document.body, {
      attributes: true,
      attributeFilter: ['data-jp-theme-name', 'data-jp-theme-light']
    });
    return () => observer.disconnect();
  }, []);
  return theme;
}

/** The theme's colours, read anew when the theme changes. */
export function useTones(element: React.RefObject<Element>): (tone: Tone | 'frame') => string {
  const theme = useTheme();
  return React.useCallback(
    tone => (element.current ? readTone(element.current, tone) : ''),
    // A new function is what makes the canvas draw again.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [element, theme]
  );
}
