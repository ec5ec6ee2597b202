/** All edges on one canvas below the nodes: a thousand of them cost less than a hundred SVG elements. */
import { useStore, type ReactFlowState } from '@xyflow/react';
import * as React from 'react';
import { trace } from './path';
import type { ILine, IScene } from './scene';
import { useTheme } from './tones';

interface IColours {
  theme: number;
  plain: string;
  marked: string;
  faint: string;
  text: string;
  font: string;
}

/** The band at the top that says the time. */
const AXIS_HEIGHT = 18;

/** Marks of the time through the whole picture; what they say stays at the top. */
function drawTime(pen: CanvasRenderingContext2D, scene: IScene, at: (x: number) => number, colours: IColours): void {
  const { canvas } = pen;
  pen.lineWidth = 1;
  pen.setLineDash([]);
  pen.strokeStyle = colours.faint;
  pen.fillStyle = colours.text;
  pen.font = colours.font;
  for (const { x, label } of scene.marks) {
    const place = Math.round(at(x)) + 0.5;
    pen.beginPath();
    pen.moveTo(place, AXIS_HEIGHT);
    pen.lineTo(place, canvas.height);
    pen.stroke();
    pen.fillText(label, place + 3, AXIS_HEIGHT - 5);
  }
}

interface IEdgesProps {
  scene: IScene;
  selected: string | null;
}

const view = (state: ReactFlowState) => state.transform;
const size = (state: ReactFlowState) => `${state.width} ${state.height}`;

/** An upright box around each line, made once per scene, so that what is out of view is skipped. */
function bounds(lines: readonly ILine[]): Float64Array {
  const result = new Float64Array(lines.length * 4);
  lines.forEach(({ points }, at) => {
    let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let index = 0; index < points.length; index += 2) {
      left = Math.min(left, points[index]);
      right = Math.max(right, points[index]);
      top = Math.min(top, points[index + 1]);
      bottom = Math.max(bottom, points[index + 1]);
    }
    result.set([left, top, right, bottom], at * 4);
  });
  return result;
}

function arrow(pen: CanvasRenderingContext2D, line: ILine, down: boolean): void {
  const x = line.points[line.points.length - 2];
  const y = line.points[line.points.length - 1];
  pen.moveTo(x, y);
  if (down) {
    pen.lineTo(x - 4, y - 7);
    pen.lineTo(x + 4, y - 7);
  } else {
    pen.lineTo(x - 7, y - 4);
    pen.lineTo(x - 7, y + 4);
  }
  pen.closePath();
}

export function EdgesCanvas({ scene, selected }: IEdgesProps): JSX.Element {
  const [x, y, zoom] = useStore(view);
  const [width, height] = useStore(size).split(' ').map(Number);
  const canvas = React.useRef<HTMLCanvasElement>(null);
  const theme = useTheme();
  const colours = React.useRef<IColours | null>(null);
  const boxes = React.useMemo(() => bounds(scene.lines), [scene]);

  React.useLayoutEffect(() => {
    const element = canvas.current;
    const pen = element?.getContext('2d');
    if (!element || !pen || !width || !height) {
      return;
    }
    const dots = Math.min(2, window.devicePixelRatio || 1);
    if (element.width !== Math.round(width * dots) || element.height !== Math.round(height * dots)) {
      element.width = Math.round(width * dots);
      element.height = Math.round(height * dots);
    }
    if (colours.current?.theme !== theme) {
      // Read once: asking for a style makes the browser lay out all that has just been added.
      const style = getComputedStyle(element);
      const read = (name: string) => style.getPropertyValue(name).trim() || style.color;
      colours.current = {
        theme,
        plain: read('--hr-edge-color'),
        marked: read('--hr-focus-color'),
        faint: read('--jp-border-color2'),
        text: read('--jp-ui-font-color2'),
        font: `11px ${style.fontFamily}`
      };
    }
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, element.width, element.height);
    if (scene.marks.length) {
      pen.setTransform(dots, 0, 0, dots, 0, 0);
      drawTime(pen, scene, at => at * zoom + x, colours.current);
    }
    pen.setTransform(dots * zoom, 0, 0, dots * zoom, dots * x, dots * y);
    const [left, top, right, bottom] = [-x / zoom, -y / zoom, (width - x) / zoom, (height - y) / zoom];
    const far = zoom < 0.35;
    const inView = scene.lines.filter(
      (_, at) =>
        boxes[at * 4] <= right && boxes[at * 4 + 2] >= left && boxes[at * 4 + 1] <= bottom && boxes[at * 4 + 3] >= top
    );
    const near = (line: ILine) => line.source === selected || line.target === selected;
    const draw = (lines: ILine[], colour: string, thick: number) => {
      for (const dashed of [false, true]) {
        const part = lines.filter(line => line.orderOnly === dashed);
        if (!part.length) {
          continue;
        }
        pen.beginPath();
        part.forEach(line => trace(pen, line.points, scene.direction, far));
        pen.setLineDash(dashed ? [5, 4] : []);
        pen.strokeStyle = colour;
        pen.lineWidth = Math.max(thick, 0.6 / zoom);
        pen.stroke();
      }
      if (!far) {
        pen.beginPath();
        lines.forEach(line => arrow(pen, line, scene.direction === 'down'));
        pen.fillStyle = colour;
        pen.fill();
      }
    };
    const { plain, marked } = colours.current;
    draw(selected ? inView.filter(line => !near(line)) : inView, plain, 1.3);
    if (selected) {
      draw(inView.filter(near), marked, 2.2);
    }
  }, [scene, boxes, selected, theme, x, y, zoom, width, height]);

  return <canvas ref={canvas} className="hr-graph-edges" aria-hidden="true" style={{ width, height }} />;
}
