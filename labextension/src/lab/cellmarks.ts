/** The mark in the margin of each task cell: its newest run's state, how long it took, whether it is stale. */
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { DocumentModel } from '../model/document';
import { OUTLINES } from '../pure/shapes';
import { look } from '../pure/states';
import { duration } from '../pure/time';
import type { IServices } from '../tokens';
import type { ICellNode } from '../wire/words';

const SVG = 'http://www.w3.org/2000/svg';
const CLASS = 'hr-cellmark';

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

export class CellMarks {
  constructor(
    private readonly panel: NotebookPanel,
    private readonly model: DocumentModel,
    private readonly services: IServices
  ) {
    this.release = model.subscribe(() => this.draw());
    panel.content.modelContentChanged.connect(this.draw, this);
  }

  dispose(): void {
    this.release();
    this.panel.content.modelContentChanged.disconnect(this.draw, this);
    this.panel.node.querySelectorAll(`.${CLASS}`).forEach(mark => mark.remove());
  }

  private draw(): void {
    if (this.panel.isDisposed) {
      return;
    }
    const cells = new Map(this.model.cells.filter(cell => cell.is_task).map(cell => [cell.cell_id, cell]));
    for (const widget of this.panel.content.widgets) {
      const cell = cells.get(widget.model.id);
      const mark = widget.node.querySelector<HTMLButtonElement>(`:scope > .${CLASS}`);
      if (!cell) {
        mark?.remove();
        continue;
      }
      this.fill(mark ?? this.make(widget.node, cell.cell_id), cell);
    }
  }

  private make(node: HTMLElement, cellId: string): HTMLButtonElement {
    const mark = document.createElement('button');
    mark.type = 'button';
    mark.className = CLASS;
    mark.addEventListener('click', event => {
      event.stopPropagation();
      const run = this.model.runOf(cellId);
      if (run) {
        this.services.host.open({ page: 'run', id: run.root_id, node: run.id === run.root_id ? undefined : run.id });
      }
    });
    node.append(mark);
    return mark;
  }

  private fill(mark: HTMLButtonElement, cell: ICellNode): void {
    const { trans } = this.services.host;
    const run = cell.latest_run;
    const words = [
      cell.name,
      look(run?.state_type, run?.state_name).label,
      duration(run?.duration_seconds),
      ...(cell.stale ? [trans.__('stale'), ...cell.stale_reasons] : [])
    ].filter(Boolean);
    const said = words.join(' · ');
    if (mark.title === said) {
      return;
    }
    mark.title = said;
    mark.setAttribute('aria-label', said);
    mark.classList.toggle('hr-mod-stale', cell.stale && !!run);
    const text = document.createElement('span');
    text.textContent = cell.stale && run ? trans.__('stale') : duration(run?.duration_seconds);
    mark.replaceChildren(icon(cell), text);
  }

  private readonly release: () => void;
}
