/**
 * Outputs without Lab: pictures as pictures, HTML in a frame without scripts, origin or network of its own, the rest
 * as text (reliability.md S-32). Also what remains when Lab's renderers fail.
 */
import { clean, plain } from '../pure/ansi';
import type { NotebookOutput } from '../wire/words';

const PICTURES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'];
/** A frame grows with its content up to this. */
const FRAME_HEIGHT = 320;
/** Nothing is loaded from anywhere; styles within the output still work. */
const POLICY =
  '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src \'unsafe-inline\'; img-src data:">';

function textOf(value: unknown): string {
  if (Array.isArray(value)) {
    return value.join('');
  }
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}

/** Draw one output into the element. */
export function renderPlain(output: NotebookOutput, element: HTMLElement): void {
  const data = output.data ?? {};
  const picture = PICTURES.find(type => type in data);
  if (picture) {
    const image = document.createElement('img');
    image.src = `data:${picture};base64,${textOf(data[picture]).replace(/\s/g, '')}`;
    image.alt = clean(textOf(data['text/plain'] ?? ''));
    element.replaceChildren(image);
  } else if ('image/svg+xml' in data) {
    // As an image an SVG runs no scripts and loads nothing.
    const image = document.createElement('img');
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(textOf(data['image/svg+xml']))}`;
    image.alt = clean(textOf(data['text/plain'] ?? ''));
    element.replaceChildren(image);
  } else if ('text/html' in data) {
    const frame = document.createElement('iframe');
    frame.setAttribute('sandbox', '');
    frame.title = 'HTML';
    frame.height = String(FRAME_HEIGHT);
    frame.src = `data:text/html;charset=utf-8,${encodeURIComponent(POLICY + textOf(data['text/html']))}`;
    element.replaceChildren(frame);
  } else {
    const type = 'text/plain' in data ? 'text/plain' : Object.keys(data)[0];
    const block = document.createElement('pre');
    block.textContent = type ? plain(textOf(data[type])) : '';
    element.replaceChildren(block);
  }
}
