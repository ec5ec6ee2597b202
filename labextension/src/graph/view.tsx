/** The flow graph: React Flow for pan, zoom and nodes, our layout, our edges, the keyboard. */
import { ReactFlow, ReactFlowProvider, useReactFlow, useStore, type ReactFlowState } from '@xyflow/react';
import '@xyflow/react/dist/base.css';
import * as React from 'react';
import type { IGraphModel } from './model';
import { isFinal, look } from '../pure/states';
import { runName } from '../pure/runname';
import { Empty } from '../view/basics';
import { useModel, useNow, useServices } from '../view/context';
import { EdgesCanvas } from './edges';
import { Minimap } from './minimap';
import { GraphContext, GroupNode, RunNode, type GraphNode } from './nodes';
import { coloursOf, save, toPng, toSvg } from './picture';
import { Pulse } from './pulse';
import { reveal } from './reveal';
import { buildScene, type Direction, type IBox, type IScene } from './scene';
import { NODE_HEIGHT, NODE_WIDTH } from './sizes';
import { GraphToolbar } from './toolbar';
import { Plan } from './tree';
import { readTone, stateOf } from './tones';
import { firstItem, stepOf, walk } from './walk';

const NODE_TYPES = { run: RunNode, group: GroupNode };
/** More siblings than this of one definition are drawn as one node. */
const MAP_LIMIT = 8;
/** The first picture is not smaller than this, so that names can be read. */
const READABLE = 0.75;
/** Larger pictures are not arranged a second time to see which direction suits. */
const TURNED_AT_MOST = 300;
/** Larger runs are drawn anew along their time each half minute instead of each second. */
const LIVE_AT_MOST = 500;
/** After a choice the panel beside opens and the graph narrows: that long the choice is kept in view. */
const SETTLE_MS = 700;
/** From here on names cannot be read: nodes become plain coloured boxes. */
const FAR = 0.38;

interface IGraphProps {
  model: IGraphModel;
  selected: string | null;
  onSelect: (runId: string | null) => void;
}

const far = (state: ReactFlowState) => state.transform[2] < FAR;

function still(): boolean {
  return window.matchMedia('(prefers-reduced-motion: reduce)').matches;
}

/** Runs whose state changed, and the groups that show them. */
function usePulse(model: IGraphModel, scene: IScene): Pulse {
  const [pulse] = React.useState(() => new Pulse());
  const shown = React.useRef(scene);
  shown.current = scene;
  React.useEffect(() => {
    const onNodes = (_: unknown, ids: ReadonlySet<string>) => {
      const all = new Set(ids);
      for (const id of ids) {
        for (let item = shown.current.boxes.get(shown.current.shownBy.get(id) ?? '')?.item; item;) {
          all.add(item.id);
          item = item.parent ?? undefined;
        }
      }
      pulse.emit(all);
    };
    model.nodesChanged.connect(onNodes);
    return () => void model.nodesChanged.disconnect(onNodes);
  }, [model, pulse]);
  return pulse;
}

function toNodes(scene: IScene, marked: string | null): GraphNode[] {
  return [...scene.boxes.values()]
    .sort((a, b) => a.depth - b.depth)
    .map(box => ({
      id: box.item.id,
      type: box.item.kind === 'run' ? 'run' : 'group',
      position: { x: box.x, y: box.y },
      width: box.width,
      height: box.height,
      measured: { width: box.width, height: box.height },
      // Edges are drawn on a canvas. Without this each node is drawn once, however far away, to look for handles.
      handles: [],
      zIndex: box.depth,
      focusable: false,
      data: { box, marked: box.item.id === marked }
    }));
}

/** Where the time of a run has come to; 0 where that is not drawn. */
function useClock({ run, nodes }: IGraphModel, direction: Direction): number {
  const timed = direction === 'time';
  const running = timed && !isFinal(run?.state_type);
  const now = useNow(running && nodes.size <= LIVE_AT_MOST);
  return running ? now : timed ? Date.parse(run?.ended_at ?? '') || now : 0;
}

/** What a screen reader says of the item under the keyboard. */
function useSpoken(scene: IScene, model: IGraphModel, id: string | null): string {
  const { trans } = useServices().host;
  const box = id ? scene.boxes.get(id) : undefined;
  if (!box) {
    return '';
  }
  const run = model.nodes.get(box.item.id);
  const state = stateOf(box.item, model.nodes);
  return trans.__(
    '%1, %2, %3 before, %4 after',
    run ? runName(run) : `${box.item.title} (${box.item.size})`,
    look(state.state_type, state.state_name).label,
    scene.previous.get(box.item.id)?.length ?? 0,
    scene.next.get(box.item.id)?.length ?? 0
  );
}

/** The zoom at which a whole picture can be seen. */
function fitting(scene: { width: number; height: number }, width: number, height: number): number {
  return Math.min(1, (width - 48) / scene.width, (height - 48) / scene.height);
}

function Graph({ model, selected, onSelect }: IGraphProps): JSX.Element {
  useModel(model);
  const { trans } = useServices().host;
  const flow = useReactFlow();
  const isFar = useStore(far);
  const [direction, setDirection] = React.useState<Direction>('right');
  const [opened, setOpened] = React.useState<ReadonlyMap<string, boolean>>(new Map());
  const [focused, setFocused] = React.useState<string | null>(null);
  const wanted = React.useRef<string | null>(null);
  const frame = React.useRef<HTMLDivElement>(null);
  const search = React.useRef<HTMLInputElement>(null);
  // What is chosen elsewhere takes the mark along.
  React.useEffect(() => {
    if (selected) {
      setFocused(selected);
    }
  }, [selected]);
  const plan = React.useMemo(
    () => new Plan(model.nodes, model.edges, model.id, MAP_LIMIT),
    // The nodes are one map that grows: its structure number says when.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [model, model.structure]
  );
  const clock = useClock(model, direction);
  const scene = React.useMemo(() => buildScene(plan, opened, direction, clock), [plan, opened, direction, clock]);
  const pulse = usePulse(model, scene);
  const shownSelected = selected
    ? scene.boxes.has(selected)
      ? selected
      : (scene.shownBy.get(selected) ?? null)
    : null;
  const marked = focused && scene.boxes.has(focused) ? focused : shownSelected;
  const nodes = React.useMemo(() => toNodes(scene, marked), [scene, marked]);
  const spoken = useSpoken(scene, model, marked);

  const show = React.useCallback(
    (box: IBox, zoom: number, at = 180) => {
      const view = flow.getViewport();
      const { clientWidth = 0, clientHeight = 0 } = frame.current ?? {};
      // A flight over thousands of pixels shows nothing on its way: what is far is jumped to.
      const near =
        Math.abs(box.x * view.zoom + view.x) < 2 * clientWidth &&
        Math.abs(box.y * view.zoom + view.y) < 2 * clientHeight;
      void flow.setCenter(box.x + Math.min(box.width / 2, 400), box.y + Math.min(box.height / 2, 240), {
        zoom,
        duration: still() || !near ? 0 : at
      });
    },
    [flow]
  );
  const fit = React.useCallback(
    () => void flow.fitView({ padding: 0.08, maxZoom: 1, duration: still() ? 0 : 180 }),
    [flow]
  );
  const toggle = React.useCallback(
    (id: string) => {
      const box = scene.boxes.get(id);
      if (box?.item.expandable) {
        wanted.current = id;
        moved.current = true;
        setOpened(old => new Map(old).set(id, !box.item.open));
      }
    },
    [scene]
  );
  const select = React.useCallback(
    (id: string | null) => {
      setFocused(id);
      onSelect(id && model.nodes.has(id) ? id : null);
    },
    [model, onSelect]
  );
  const goTo = React.useCallback(
    (runId: string) => {
      const open = reveal(plan, opened, runId);
      wanted.current = runId;
      moved.current = true;
      setFocused(runId);
      onSelect(runId);
      if (open !== opened) {
        setOpened(open);
      } else {
        const box = scene.boxes.get(runId);
        if (box) {
          show(box, 1);
        }
      }
    },
    [onSelect, opened, plan, scene, show]
  );

  // After a group opened or a task was searched for: what was asked for comes into view.
  React.useEffect(() => {
    const box = wanted.current ? scene.boxes.get(wanted.current) : undefined;
    if (box) {
      wanted.current = null;
      show(box, Math.max(0.6, Math.min(1, flow.getZoom())));
    }
  }, [flow, scene, show]);

  // Until a person moves it, the picture fits if its names can then be read; else it begins at the start.
  const drawn = React.useRef(false);
  const moved = React.useRef(false);
  const turned = React.useRef(false);
  const size = useStore(state => state.width * state.height);
  React.useEffect(() => {
    if (moved.current || !size || !scene.boxes.size || !frame.current) {
      return;
    }
    drawn.current = true;
    const { clientWidth: width, clientHeight: height } = frame.current;
    const zoom = fitting(scene, width, height);
    if (zoom < READABLE && !turned.current && scene.boxes.size <= TURNED_AT_MOST) {
      // Narrow places suit the other direction: it is taken where more can be read that way.
      turned.current = true;
      const other = direction === 'right' ? 'down' : 'right';
      if (fitting(buildScene(plan, opened, other), width, height) > 1.25 * zoom) {
        setDirection(other);
        return;
      }
    }
    const readable = Math.max(zoom, READABLE);
    const box = shownSelected ? scene.boxes.get(shownSelected) : undefined;
    const start = (full: number, view: number, from: number, length: number) => {
      if (full * readable < view) {
        return (view - full * readable) / 2;
      }
      return Math.min(24, Math.max(view - 24 - full * readable, view / 2 - (from + length / 2) * readable));
    };
    const x = start(scene.width, width, box?.x ?? 0, box?.width ?? 0);
    const y = start(scene.height, height, box?.y ?? 0, box?.height ?? 0);
    void flow.setViewport({ x, y, zoom: readable });
    // A choice alone moves nothing: the effect below brings it into view where needed.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [flow, scene, size]);

  // What was chosen elsewhere, or lost its place to the panel beside, comes back into view.
  const chosen = React.useRef({ id: shownSelected, at: 0 });
  React.useEffect(() => {
    if (chosen.current.id !== shownSelected) {
      chosen.current = { id: shownSelected, at: Date.now() };
    }
    const box = shownSelected ? scene.boxes.get(shownSelected) : undefined;
    if (!box || !drawn.current || !frame.current || Date.now() - chosen.current.at > SETTLE_MS) {
      return;
    }
    const { x, y, zoom } = flow.getViewport();
    const [left, top] = [box.x * zoom + x, box.y * zoom + y];
    const { clientWidth, clientHeight } = frame.current;
    if (left < 0 || top < 0 || left + NODE_WIDTH * zoom > clientWidth || top + NODE_HEIGHT * zoom > clientHeight) {
      show(box, zoom, 0);
    }
  }, [flow, scene, show, shownSelected, size]);

  const onKeyDown = (event: React.KeyboardEvent) => {
    if ((event.target as HTMLElement).tagName === 'INPUT' || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    const step = stepOf(event.key, scene);
    const here = marked ?? firstItem(scene);
    if (step) {
      const next = marked ? walk(scene, marked, step) : here;
      if (next) {
        setFocused(next);
        show(scene.boxes.get(next)!, Math.max(0.5, flow.getZoom()));
      }
    } else if (event.key === 'Enter' && here) {
      select(here);
    } else if (event.key === ' ' && here) {
      toggle(here);
    } else if (event.key === 'Escape' && (focused || selected)) {
      select(null);
    } else if (event.key === '/') {
      search.current?.focus();
    } else if (event.key === 'f' || event.key === '0') {
      fit();
    } else if (event.key === '+' || event.key === '-') {
      void (event.key === '+' ? flow.zoomIn() : flow.zoomOut());
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  const picture = () => {
    const element = frame.current!;
    const name = model.title;
    return {
      name,
      svg: toSvg(
        scene,
        model.nodes,
        coloursOf(element, tone => readTone(element, tone)),
        name
      )
    };
  };
  const savePicture = (kind: 'svg' | 'png') => {
    const { name, svg } = picture();
    if (kind === 'svg') {
      save(new Blob([svg], { type: 'image/svg+xml' }), `${name}.svg`);
    } else {
      void toPng(svg, scene.width, scene.height).then(blob => save(blob, `${name}.png`));
    }
  };

  const context = React.useMemo(
    () => ({ model, pulse, trans, toggle, select, far: isFar }),
    [model, pulse, trans, toggle, select, isFar]
  );
  if (model.graphLoaded && !scene.boxes.size) {
    const root = model.nodes.get(model.id);
    return (
      <Empty
        title={
          root && !root.started_at && !isFinal(root.state_type)
            ? trans.__('It has not begun yet; its tasks appear here as they run')
            : trans.__('This run has no tasks')
        }
      />
    );
  }
  return (
    <GraphContext.Provider value={context}>
      <GraphToolbar
        model={model}
        search={search}
        direction={direction}
        onChoose={goTo}
        onDirection={next => {
          moved.current = false;
          turned.current = true;
          setDirection(next);
        }}
        onFit={fit}
        onSave={savePicture}
      />
      <div
        ref={frame}
        className={`hr-graph${isFar ? ' hr-mod-far' : ''}${direction === 'time' ? ' hr-mod-time' : ''}`}
        tabIndex={0}
        role="application"
        aria-roledescription={trans.__('flow graph')}
        aria-label={trans.__(
          'Flow graph: arrow keys go along the edges, Enter shows a task, Space opens a group, slash searches'
        )}
        onKeyDown={onKeyDown}
      >
        <ReactFlow
          nodes={nodes}
          edges={NO_EDGES}
          nodeTypes={NODE_TYPES}
          onlyRenderVisibleElements
          nodesDraggable={false}
          nodesConnectable={false}
          nodesFocusable={false}
          elementsSelectable={false}
          disableKeyboardA11y
          deleteKeyCode={null}
          selectionKeyCode={null}
          multiSelectionKeyCode={null}
          minZoom={0.02}
          maxZoom={2}
          onMoveStart={event => {
            // Moves of our own come without an event.
            moved.current ||= !!event;
          }}
          onNodeClick={(_, node) => select(node.id)}
          onNodeDoubleClick={(_, node) => toggle(node.id)}
          onPaneClick={() => select(null)}
          zoomOnDoubleClick={false}
          attributionPosition="bottom-left"
        >
          <EdgesCanvas scene={scene} selected={marked} />
          {scene.boxes.size > 12 && <Minimap scene={scene} model={model} label={trans.__('Overview of the graph')} />}
        </ReactFlow>
        <div className="hr-spoken" aria-live="polite">
          {spoken}
        </div>
      </div>
    </GraphContext.Provider>
  );
}

const NO_EDGES: never[] = [];

export default function GraphView(props: IGraphProps): JSX.Element {
  return (
    <ReactFlowProvider>
      <Graph {...props} />
    </ReactFlowProvider>
  );
}
