import { describe, expect, it } from 'vitest';
import { toSvg } from '../src/graph/picture';
import { find, reveal } from '../src/graph/reveal';
import { buildScene as build, type Direction, type IScene } from '../src/graph/scene';
import { MOST_DRAWN, Plan } from '../src/graph/tree';
import { firstItem, walk } from '../src/graph/walk';
import type { IEdge, IRun } from '../src/wire/words';
import { child, edge, makeRun } from './make';

const root = makeRun({ id: 'root' });
const options = { opened: new Map<string, boolean>(), direction: 'right' as Direction };

function buildScene(nodes: Map<string, IRun>, edges: IEdge[], given: typeof options): IScene {
  return build(new Plan(nodes, edges, 'root', 8), given.opened, given.direction);
}

function nodesOf(runs: IRun[]): Map<string, IRun> {
  return new Map(runs.map(run => [run.id, run]));
}

function big(layers: number, width: number): { nodes: Map<string, IRun>; edges: IEdge[] } {
  const runs: IRun[] = [];
  const edges: IEdge[] = [];
  for (let layer = 0; layer < layers; layer += 1) {
    for (let at = 0; at < width; at += 1) {
      runs.push(child(root, `t ${layer} ${at}x`));
      if (layer) {
        edges.push(edge(`t ${layer - 1} ${at}x`, `t ${layer} ${at}x`));
        edges.push(edge(`t ${layer - 1} ${(at * 7) % width}x`, `t ${layer} ${at}x`));
      }
    }
  }
  return { nodes: nodesOf(runs), edges };
}

describe('the picture of a run', () => {
  it('has a box for each task and a line for each edge', () => {
    const scene = buildScene(nodesOf([child(root, 'a'), child(root, 'b')]), [edge('a', 'b')], options);
    expect([...scene.boxes.keys()]).toEqual(['a', 'b']);
    expect(scene.lines).toHaveLength(1);
    expect(scene.boxes.get('a')!.x).toBeLessThan(scene.boxes.get('b')!.x);
  });

  it('leaves out a line that a longer way says already', () => {
    const runs = ['a', 'b', 'c'].map(id => child(root, id));
    const edges = [edge('a', 'b'), edge('b', 'c'), edge('a', 'c')];
    const scene = buildScene(nodesOf(runs), edges, options);
    expect(scene.lines.map(({ source, target }) => source + target)).toEqual(['ab', 'bc']);
  });

  it('runs downwards when asked to', () => {
    const scene = buildScene(nodesOf([child(root, 'a'), child(root, 'b')]), [edge('a', 'b')], {
      ...options,
      direction: 'down'
    });
    expect(scene.boxes.get('a')!.y).toBeLessThan(scene.boxes.get('b')!.y);
  });

  const mapped = Array.from({ length: 20 }, (_, at) => child(root, `score-${at}`, { definition_key: 'score' }));
  const nodes = nodesOf([child(root, 'load'), ...mapped, child(root, 'sum')]);
  const edges = mapped.flatMap(run => [edge('load', run.id), edge(run.id, 'sum')]);

  it('folds mapped tasks into one node', () => {
    const scene = buildScene(nodes, edges, options);
    expect(scene.boxes.size).toBe(3);
    const group = [...scene.boxes.values()].find(box => box.item.kind === 'mapped')!;
    expect([group.item.title, group.item.size]).toEqual(['score', 20]);
    expect(scene.lines).toHaveLength(2);
    expect(scene.shownBy.get('score-3')).toBe(group.item.id);
  });

  it('draws an opened group as a box around its members', () => {
    const id = [...buildScene(nodes, edges, options).boxes.keys()].find(key => key.startsWith('map'))!;
    const scene = buildScene(nodes, edges, { ...options, opened: new Map([[id, true]]) });
    const frame = scene.boxes.get(id)!;
    const member = scene.boxes.get('score-7')!;
    expect(member.x).toBeGreaterThan(frame.x);
    expect(member.x + member.width).toBeLessThan(frame.x + frame.width);
    expect(member.y + member.height).toBeLessThan(frame.y + frame.height);
    expect(scene.lines).toHaveLength(40);
  });

  it('nests a subflow and leads edges into it', () => {
    const flow = child(root, 'flow', { kind: 'flow' });
    const inner = child(flow, 'inner');
    const scene = buildScene(nodesOf([child(root, 'a'), flow, inner]), [edge('a', 'inner')], options);
    expect(scene.boxes.get('inner')!.depth).toBe(1);
    expect(scene.lines).toMatchObject([{ source: 'a', target: 'inner' }]);
    const closed = buildScene(nodesOf([child(root, 'a'), flow, inner]), [edge('a', 'inner')], {
      ...options,
      opened: new Map([['flow', false]])
    });
    expect(closed.lines).toMatchObject([{ source: 'a', target: 'flow' }]);
  });

  it('survives a run that is its own ancestor', () => {
    const loop = [child(root, 'a', { parent_id: 'b' }), child(root, 'b', { parent_id: 'a' })];
    expect(() => buildScene(nodesOf(loop), [], options)).not.toThrow();
  });
});

describe('ten thousand distinct tasks', () => {
  const { nodes, edges } = big(100, 100);

  it('are drawn as bands of layers', () => {
    const scene = buildScene(nodes, edges, options);
    expect(scene.boxes.size).toBe(10);
    expect([...scene.boxes.values()].every(box => box.item.members.length <= MOST_DRAWN)).toBe(true);
  });

  it('can each be found and shown', () => {
    const [run] = find(nodes, 't 57 3x', 5);
    expect(run.name).toBe('t 57 3x');
    const plan = new Plan(nodes, edges, 'root', 8);
    const opened = reveal(plan, options.opened, run.id) as Map<string, boolean>;
    expect(opened.size).toBe(1);
    const scene = build(plan, opened, 'right');
    expect(scene.boxes.has(run.id)).toBe(true);
    // What was laid out before stays as it was when another group opens.
    const more = reveal(plan, opened, find(nodes, 't 12 4x', 1)[0].id);
    expect(build(plan, more, 'right').boxes.get('t 57 3x')!.y).toBeGreaterThan(0);
    expect(new Set([...plan.layouts.keys()].map(key => key.split('\n')[0])).size).toBe(3);
  });
});

describe('the arrow keys', () => {
  const scene = buildScene(
    nodesOf(['a', 'b', 'c', 'd'].map(name => child(root, name))),
    [edge('a', 'b'), edge('a', 'c'), edge('b', 'd'), edge('c', 'd')],
    options
  );

  it('begin at the first task', () => expect(firstItem(scene)).toBe('a'));
  it('go along an edge and back', () => {
    const next = walk(scene, 'a', 'forward')!;
    expect(['b', 'c']).toContain(next);
    expect(walk(scene, next, 'back')).toBe('a');
  });
  it('go to the neighbour beside', () => {
    const [upper, lower] = ['b', 'c'].sort((x, y) => scene.boxes.get(x)!.y - scene.boxes.get(y)!.y);
    expect(walk(scene, upper, 'after')).toBe(lower);
    expect(walk(scene, lower, 'before')).toBe(upper);
  });
  it('stop at an end', () => expect(walk(scene, 'd', 'forward')).toBeNull());
});

describe('a run along time', () => {
  const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();
  const ran = (name: string, from: number, to: number | null, fields: Partial<IRun> = {}) =>
    child(root, name, {
      started_at: at(from),
      ended_at: to === null ? null : at(to),
      state_type: to === null ? 'RUNNING' : 'COMPLETED',
      ...fields
    });
  const nodes = nodesOf([
    child(root, 'later', { state_type: 'PENDING' }),
    ran('long', 10, null),
    ran('first', 0, 10),
    ran('inner', 5, 10, { parent_id: 'first' })
  ]);
  const scene = build(new Plan(nodes, [edge('first', 'long')], 'root', 8), new Map(), 'time', Date.parse(at(30)));
  const box = (id: string) => scene.boxes.get(id)!;

  it('has a row for each task, in the order of their start, what has not begun last', () => {
    const rows = [...scene.boxes.values()].sort((a, b) => a.y - b.y).map(({ item }) => item.id);
    expect(rows).toEqual(['first', 'inner', 'long', 'later']);
  });

  it('makes a task as wide as it took, up to now while it runs', () => {
    expect(box('long').width).toBeCloseTo(4 * box('inner').width, 5);
    expect(box('later').x).toBeGreaterThan(box('long').x + box('long').width);
  });

  it('draws what is open around its children, at their times', () => {
    expect(box('first').item.open).toBe(true);
    expect(box('first').x).toBeLessThan(box('inner').x);
    expect(box('first').y + box('first').height).toBeGreaterThan(box('inner').y + box('inner').height);
    expect(Math.min(...[...scene.boxes.values()].map(({ x }) => x))).toBe(0);
  });

  it('marks the time, and keeps the edges', () => {
    expect(scene.marks.map(({ label }) => label)).toEqual(['0', '5.0 s', '10 s', '15 s', '20 s', '25 s', '30 s']);
    expect(scene.marks[2].x).toBeCloseTo(box('long').x, 5);
    expect(scene.lines.map(({ source, target }) => [source, target])).toEqual([['first', 'long']]);
  });

  it('can be walked from row to row, and saved with its marks', () => {
    expect(walk(scene, 'inner', 'after')).toBe('long');
    expect(walk(scene, 'long', 'before')).toBe('first');
    const colours = { tone: () => 'red', text: 'black', faint: 'grey', paper: 'white', edge: 'grey' };
    expect(toSvg(scene, nodes, colours, 'run')).toContain('>25 s</text>');
  });

  it('has no marks before anything has begun', () => {
    const waiting = nodesOf([child(root, 'a', { state_type: 'PENDING' })]);
    const empty = build(new Plan(waiting, [], 'root', 8), new Map(), 'time', Date.parse(at(30)));
    expect([empty.marks, empty.boxes.size, Number.isFinite(empty.width)]).toEqual([[], 1, true]);
  });
});

describe('the exported picture', () => {
  it('shows names as text, whatever they hold', () => {
    const nasty = '"><script>alert(1)</script>&';
    const nodes = nodesOf([child(root, nasty)]);
    const svg = toSvg(
      buildScene(nodes, [], options),
      nodes,
      { tone: () => 'red', text: 'black', faint: 'grey', paper: 'white', edge: 'grey' },
      nasty
    );
    const parsed = new DOMParser().parseFromString(svg, 'image/svg+xml');
    expect(parsed.querySelector('parsererror')).toBeNull();
    expect(parsed.querySelector('script')).toBeNull();
    expect(parsed.querySelector('title')?.textContent).toBe(nasty);
  });
});
