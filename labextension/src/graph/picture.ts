/** The graph as a picture of its own: SVG text from the scene, PNG through the browser. */
import { OUTLINES } from '../pure/shapes';
import { look, type Tone } from '../pure/states';
import { duration } from '../pure/time';
import { clean } from '../pure/ansi';
import type { IRun } from '../wire/words';
import { pathText } from './path';
import type { IBox, IScene } from './scene';
import { stateOf } from './tones';

export interface IColours {
  tone: (tone: Tone | 'frame') => string;
  text: string;
  faint: string;
  paper: string;
  edge: string;
}

const MARGIN = 24;
/** Chromium's largest canvas side is 16,384; beyond this a PNG is scaled down. */
const LARGEST = 12_000;

function escape(text: string): string {
  return clean(text).replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`);
}

function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

function boxText(box: IBox, nodes: ReadonlyMap<string, IRun>, colours: IColours): string {
  const { item, x, y, width, height } = box;
  const state = stateOf(item, nodes);
  const { tone, shape, label } = look(state.state_type, state.state_name);
  const colour = colours.tone(tone);
  const outline = OUTLINES[shape];
  const icon = outline.fill
    ? `<path d="${outline.fill}" fill="${colour}" fill-rule="evenodd"/>`
    : `<path d="${outline.stroke}" fill="none" stroke="${colour}" stroke-width="1.8" stroke-dasharray="${outline.dash ?? ''}"/>`;
  const run = item.kind === 'run' ? nodes.get(item.id) : undefined;
  const second = run ? [label, duration(run.duration_seconds)].filter(Boolean).join(' · ') : `${label} · ${item.size}`;
  const head = item.open ? y + 20 : y + height / 2 - 3;
  return (
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="4" fill="${item.open ? 'none' : colours.paper}" stroke="${colour}" stroke-width="1.4"/>` +
    `<g transform="translate(${x + 10} ${head - 9})">${icon}</g>` +
    `<text x="${x + 34}" y="${head}" font-size="13" fill="${colours.text}">${escape(cut(item.title, 22))}</text>` +
    (item.open
      ? ''
      : `<text x="${x + 34}" y="${head + 15}" font-size="11" fill="${colours.faint}">${escape(second)}</text>`)
  );
}

/** The whole scene as an SVG document. */
export function toSvg(scene: IScene, nodes: ReadonlyMap<string, IRun>, colours: IColours, title: string): string {
  const width = Math.ceil(scene.width + 2 * MARGIN);
  const height = Math.ceil(scene.height + 2 * MARGIN);
  const boxes = [...scene.boxes.values()].sort((a, b) => a.depth - b.depth);
  const frames = boxes.filter(box => box.item.open).map(box => boxText(box, nodes, colours));
  const others = boxes.filter(box => !box.item.open).map(box => boxText(box, nodes, colours));
  const lines = scene.lines.map(
    line =>
      `<path d="${pathText(line.points, scene.direction)}" fill="none" stroke="${colours.edge}" stroke-width="1.3"${line.orderOnly ? ' stroke-dasharray="5 4"' : ''} marker-end="url(#tip)"/>`
  );
  const marks = scene.marks.map(
    ({ x, label }) =>
      `<path d="M${x} 0V${scene.height}" stroke="${colours.edge}" stroke-width="0.4"/>` +
      `<text x="${x + 3}" y="-6" font-size="11" fill="${colours.faint}">${escape(label)}</text>`
  );
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="${-MARGIN} ${-MARGIN} ${width} ${height}" font-family="system-ui, sans-serif">` +
    `<title>${escape(title)}</title>` +
    `<defs><marker id="tip" markerWidth="7" markerHeight="8" refX="7" refY="4" orient="auto" markerUnits="userSpaceOnUse"><path d="M0 0 7 4 0 8z" fill="${colours.edge}"/></marker></defs>` +
    `<rect x="${-MARGIN}" y="${-MARGIN}" width="${width}" height="${height}" fill="${colours.paper}"/>` +
    marks.join('') +
    frames.join('') +
    lines.join('') +
    others.join('') +
    '</svg>'
  );
}

/** The theme's colours as they are on an element of the panel. */
export function coloursOf(element: Element, tone: IColours['tone']): IColours {
  const style = getComputedStyle(element);
  const value = (name: string) => style.getPropertyValue(name).trim() || style.color;
  return {
    tone,
    text: value('--jp-ui-font-color1'),
    faint: value('--jp-ui-font-color2'),
    paper: value('--jp-layout-color1'),
    edge: value('--hr-edge-color')
  };
}

/** Hand a file to the browser's downloads. */
export function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Draw an SVG text into a PNG. */
export async function toPng(svg: string, width: number, height: number): Promise<Blob> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const full = [width + 2 * MARGIN, height + 2 * MARGIN];
  const zoom = Math.min(2, LARGEST / Math.max(...full));
  const canvas = document.createElement('canvas');
  canvas.width = Math.ceil(full[0] * zoom);
  canvas.height = Math.ceil(full[1] * zoom);
  canvas.getContext('2d')!.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) =>
    canvas.toBlob(blob => (blob ? resolve(blob) : reject(new Error('The picture could not be made.'))), 'image/png')
  );
}
