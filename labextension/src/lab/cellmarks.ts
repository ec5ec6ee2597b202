/** The mark in the margin of each task cell: its newest run's state, how long it took, cached or stale; a menu. */
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { DocumentModel } from '../model/document';
import { OUTLINES } from '../pure/shapes';
import { isActive, look } from '../pure/states';
import { lasted } from '../pure/time';
import type { ITranslator } from '../tokens';
import type { ICellNode } from '../wire/words';

const SVG = 'http://www.w3.org/2000/svg';
const CLASS = 'hr-cellmark';
const TICK_MS = 1000;

function icon(cell: ICellNode): SVGElement {
  const run = cell.latest_run;
  const { shape, tone } = look(run?.state_type, run?.state_name);
  const outline = OUTLINES[shape];
  const element = document.createElementNS(SVG, 'svg');
  element.setAttribute('viewBox', '0 0 16 16');
  element.setAttribute('aria-hidden', 'true');
  element.classList.add('hr-state', `hr-tone-${tone}`);
  if (shape === 'spinner') {
    element.classList.add('hr-mod-spin');
  }
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', outline.fill ?? outline.stroke ?? '');
  path.setAttribute('fill', outline.fill ? 'currentColor' : 'none');
  path.setAttribute('fill-rule', 'evenodd');
  if (outline.stroke) {
    path.setAttribute('stroke', 'currentColor');
    path.setAttribute('stroke-width', '1.8');
    path.setAttribute('stroke-dasharray', outline.dash ?? '');
  }
  element.append(path);
  return element;
}

function line(text: string, kind: string): HTMLElement {
  const element = document.createElement('span');
  element.className = kind;
  element.textContent = text;
  return element;
}

export class CellMarks {
  constructor(
    private readonly panel: NotebookPanel,
    private readonly model: DocumentModel,
    private readonly trans: ITranslator,
    private readonly openMenu: (cellId: string, x: number, y: number) => void
  ) {
    this.release = model.subscribe(() => this.draw());
    panel.content.modelContentChanged.connect(this.draw, this);
  }

  dispose(): void {
    window.clearTimeout(this.timer);
    this.release();
    this.panel.content.modelContentChanged.disconnect(this.draw, this);
    this.panel.node.querySelectorAll(`.${CLASS}`).forEach(mark => mark.remove());
  }

  private draw(): void {
    if (this.panel.isDisposed) {
      return;
    }
    const cells = new Map(this.model.cells.filter(cell => cell.is_task).map(cell => [cell.cell_id, cell]));
    let running = false;
    for (const widget of this.panel.content.widgets) {
      const cell = cells.get(widget.model.id);
      const mark = widget.node.querySelector<HTMLButtonElement>(`:scope > .${CLASS}`);
      if (!cell) {
        mark?.remove();
        continue;
      }
      running ||= isActive(cell.latest_run?.state_type);
      this.fill(mark ?? this.make(widget.node, cell.cell_id), cell);
    }
    window.clearTimeout(this.timer);
    this.timer = running ? window.setTimeout(() => this.draw(), TICK_MS) : 0;
  }

  private make(node: HTMLElement, cellId: string): HTMLButtonElement {
    const mark = document.createElement('button');
    mark.type = 'button';
    mark.className = CLASS;
    mark.setAttribute('aria-haspopup', 'menu');
    const open = (event: Event) => {
      event.preventDefault();
      event.stopPropagation();
      const { left, bottom } = mark.getBoundingClientRect();
      this.openMenu(cellId, left, bottom);
    };
    mark.addEventListener('click', open);
    mark.addEventListener('contextmenu', open);
    // The notebook's own keys act on the cell, not on its mark.
    mark.addEventListener('keydown', event => event.key !== 'Tab' && event.key !== 'Escape' && event.stopPropagation());
    node.append(mark);
    return mark;
  }

  private fill(mark: HTMLButtonElement, cell: ICellNode): void {
    const { trans } = this;
    const run = cell.latest_run;
    const time = run ? lasted(run, Date.now()) : '';
    const second = cell.error
      ? trans.__('wrong')
      : cell.stale && run && !isActive(run.state_type)
        ? trans.__('stale')
        : run?.cached
          ? trans.__('cached')
          : '';
    const words = [
      cell.name,
      look(run?.state_type, run?.state_name).label,
      // As they stand beside each other, so that what is seen can be said.
      [time, second].filter(Boolean).join(' '),
      cell.error ?? '',
      run?.error_summary ?? '',
      ...(cell.stale ? cell.stale_reasons : [])
    ];
    const said = [...new Set(words.filter(Boolean))].join(' · ');
    if (mark.title === said) {
      return;
    }
    mark.title = said;
    mark.setAttribute('aria-label', trans.__('Task %1', said));
    mark.classList.toggle('hr-mod-stale', cell.stale && !!run);
    mark.classList.toggle('hr-mod-wrong', !!cell.error);
    mark.replaceChildren(line(time, 'hr-cellmark-time'), icon(cell));
    if (second) {
      // The space is heard, not seen.
      mark.append(' ', line(second, 'hr-cellmark-second'));
    }
  }

  private timer = 0;
  private readonly release: () => void;
}
