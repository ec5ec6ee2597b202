/** The whole graph in a corner, with the part in view; a click or a drag goes there. */
import { useReactFlow, useStore, type ReactFlowState } from '@xyflow/react';
import * as React from 'react';
import type { IGraphModel } from './model';
import type { IScene } from './scene';
import { toneOf, useTones } from './tones';

const WIDTH = 160;
const HEIGHT = 100;
/** State changes redraw the map at most this often. */
const EVERY_MS = 500;

const view = (state: ReactFlowState) => state.transform;
const size = (state: ReactFlowState) => `${state.width} ${state.height}`;

export function Minimap({ scene, model, label }: { scene: IScene; model: IGraphModel; label: string }): JSX.Element {
  const [x, y, zoom] = useStore(view);
  const [width, height] = useStore(size).split(' ').map(Number);
  const flow = useReactFlow();
  const canvas = React.useRef<HTMLCanvasElement>(null);
  const tones = useTones(canvas);
  const [round, setRound] = React.useState(0);
  const ratio = Math.min(WIDTH / Math.max(1, scene.width), HEIGHT / Math.max(1, scene.height));
  const left = (WIDTH - scene.width * ratio) / 2;
  const top = (HEIGHT - scene.height * ratio) / 2;

  React.useEffect(() => {
    let timer = 0;
    const later = () => {
      timer ||= window.setTimeout(() => {
        timer = 0;
        setRound(old => old + 1);
      }, EVERY_MS);
    };
    model.nodesChanged.connect(later);
    return () => {
      window.clearTimeout(timer);
      model.nodesChanged.disconnect(later);
    };
  }, [model]);

  React.useEffect(() => {
    const pen = canvas.current?.getContext('2d');
    if (!pen) {
      return;
    }
    pen.clearRect(0, 0, WIDTH, HEIGHT);
    for (const box of scene.boxes.values()) {
      pen.fillStyle = tones(box.item.open ? 'frame' : toneOf(box.item, model.nodes));
      pen.fillRect(
        left + box.x * ratio,
        top + box.y * ratio,
        Math.max(1, box.width * ratio),
        Math.max(1, box.height * ratio)
      );
    }
  }, [scene, model, tones, round, left, top, ratio]);

  const go = (event: React.PointerEvent<HTMLElement>) => {
    if (event.buttons !== 1) {
      return;
    }
    const frame = event.currentTarget.getBoundingClientRect();
    const at = [(event.clientX - frame.left - left) / ratio, (event.clientY - frame.top - top) / ratio];
    void flow.setCenter(at[0], at[1], { zoom });
  };
  const frame = {
    left: left + (-x / zoom) * ratio,
    top: top + (-y / zoom) * ratio,
    width: (width / zoom) * ratio,
    height: (height / zoom) * ratio
  };
  return (
    <div className="hr-minimap" onPointerDown={go} onPointerMove={go} role="img" aria-label={label}>
      <canvas ref={canvas} width={WIDTH} height={HEIGHT} />
      <div className="hr-minimap-view" style={frame} />
    </div>
  );
}
