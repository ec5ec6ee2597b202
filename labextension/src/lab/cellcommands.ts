/** What can be done with a cell that is a task, or could be one: for its mark's menu, the context menu and the palette. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { Menu } from '@lumino/widgets';
import { readSettings, taskOrigin, withoutTask, writeSettings, type ITaskCell } from '../pure/magic';
import type { IServices } from '../tokens';
import { headraceIcon, runIcon } from './icons';
import type { Plan } from './cellrunner';
import type { OpenNotebooks } from './notebooks';

export const CELL_COMMANDS = {
  upTo: 'headrace:run-stale-up-to-here',
  from: 'headrace:run-from-here',
  allStale: 'headrace:run-all-stale',
  open: 'headrace:open-cell-run',
  logs: 'headrace:cell-logs',
  history: 'headrace:cell-history',
  output: 'headrace:cell-show-output',
  settings: 'headrace:cell-settings',
  make: 'headrace:make-task',
  unmake: 'headrace:unmake-task'
} as const;

const CELL_ARGUMENT = {
  type: 'object',
  properties: {
    cell: { type: 'string', description: 'The cell’s id in the notebook in front; else the active cell.' },
    from: { type: 'string', description: '“context”: the cell under the context menu.' }
  }
} as const;

interface IChosen {
  panel: NotebookPanel;
  id: string;
  cell: ITaskCell;
  write: (cell: ITaskCell) => void;
}

/** The cell that is meant: the argument's, the one under the context menu, the active one. */
function choose(app: JupyterFrontEnd, notebooks: INotebookTracker, args: Record<string, unknown>): IChosen | null {
  const panel = notebooks.currentWidget;
  const hit =
    args.from === 'context' ? app.contextMenuHitTest(node => node.classList.contains('jp-CodeCell')) : undefined;
  const widget =
    typeof args.cell === 'string'
      ? panel?.content.widgets.find(each => each.model.id === args.cell)
      : hit
        ? panel?.content.widgets.find(each => each.node === hit)
        : panel?.content.activeCell;
  if (!panel || !widget || widget.model.type !== 'code') {
    return null;
  }
  const shared = widget.model.sharedModel;
  return {
    panel,
    id: widget.model.id,
    cell: { source: shared.getSource(), metadata: shared.getMetadata() as Record<string, unknown> },
    write: ({ source, metadata }) =>
      shared.transact(() => {
        if (source !== shared.getSource()) {
          shared.setSource(source);
        }
        // What is set is added to what is there: keys that are gone must be taken away.
        Object.keys(shared.getMetadata())
          .filter(key => !(key in metadata))
          .forEach(key => shared.deleteMetadata(key));
        shared.setMetadata(metadata as never);
      })
  };
}

export function addCellCommands(
  app: JupyterFrontEnd,
  services: IServices,
  notebooks: INotebookTracker,
  open: OpenNotebooks
): void {
  const { commands } = app;
  const { host } = services;
  const { trans } = host;
  const chosen = (args: Record<string, unknown>) => choose(app, notebooks, args);
  const isTask = (args: Record<string, unknown>) => {
    const found = chosen(args);
    return !!found && taskOrigin(found.cell) !== null;
  };
  const runOf = (args: Record<string, unknown>) => {
    const found = chosen(args);
    return found ? (open.peek(found.panel)?.model.runOf(found.id) ?? null) : null;
  };
  const run = (plan: Plan) => async (args: Record<string, unknown>) => {
    const found = chosen(args);
    const panel = found?.panel ?? notebooks.currentWidget;
    if (!panel || (plan !== 'all stale' && !found)) {
      return;
    }
    const entry = await open.fresh(panel);
    if (entry && (await entry.runner.run(plan, found?.id)) === 0) {
      host.notify('info', trans.__('Nothing is stale here: every task is up to date.'));
    }
  };

  commands.addCommand(CELL_COMMANDS.upTo, {
    label: trans.__('Run Stale up to Here'),
    caption: trans.__('Run this cell and what it needs, as far as it is stale'),
    icon: runIcon,
    describedBy: { args: CELL_ARGUMENT },
    isVisible: isTask,
    execute: run('up to')
  });
  commands.addCommand(CELL_COMMANDS.from, {
    label: trans.__('Run from Here'),
    caption: trans.__('Run this cell and all that depends on it'),
    describedBy: { args: CELL_ARGUMENT },
    isVisible: isTask,
    execute: run('from')
  });
  commands.addCommand(CELL_COMMANDS.allStale, {
    label: trans.__('Run All Stale Tasks of This Notebook'),
    describedBy: { args: CELL_ARGUMENT },
    isEnabled: () => !!notebooks.currentWidget,
    execute: run('all stale')
  });
  commands.addCommand(CELL_COMMANDS.open, {
    label: trans.__('Open Its Newest Run'),
    describedBy: { args: CELL_ARGUMENT },
    isVisible: isTask,
    isEnabled: args => !!runOf(args),
    execute: args => {
      const found = runOf(args);
      if (found) {
        host.open({ page: 'run', id: found.root_id, node: found.id === found.root_id ? undefined : found.id });
      }
    }
  });
  commands.addCommand(CELL_COMMANDS.logs, {
    label: trans.__('Show Its Log'),
    describedBy: { args: CELL_ARGUMENT },
    isVisible: isTask,
    isEnabled: args => !!runOf(args),
    execute: args => {
      const found = runOf(args);
      if (found) {
        host.open({ page: 'run', id: found.id, tab: 'logs' });
      }
    }
  });
  commands.addCommand(CELL_COMMANDS.history, {
    label: trans.__('History of This Cell'),
    describedBy: { args: CELL_ARGUMENT },
    isVisible: isTask,
    execute: async args => {
      const found = chosen(args);
      const entry = found && (await open.fresh(found.panel));
      if (found && entry) {
        const name = entry.model.cells.find(each => each.cell_id === found.id)?.name ?? '';
        const { openHistory } = await import('../dialogs/cell');
        openHistory(services, { cellId: found.id, documentId: entry.model.documentId, name });
      }
    }
  });
  commands.addCommand(CELL_COMMANDS.output, {
    label: trans.__('Show Output of the Finished Run'),
    describedBy: { args: CELL_ARGUMENT },
    isVisible: args => {
      const found = chosen(args);
      return !!found && !!open.peek(found.panel)?.offers.offered(found.id);
    },
    execute: args => {
      const found = chosen(args);
      return found ? open.peek(found.panel)?.offers.show(found.id) : undefined;
    }
  });
  const settings = async (args: Record<string, unknown>) => {
    const found = chosen(args);
    if (found) {
      const origin = taskOrigin(found.cell);
      const { openSettings } = await import('../dialogs/cell');
      openSettings(services, { origin, settings: readSettings(found.cell) }, next =>
        found.write(writeSettings(chosen({ cell: found.id })?.cell ?? found.cell, next))
      );
    }
  };
  commands.addCommand(CELL_COMMANDS.settings, {
    label: trans.__('Task Settings…'),
    caption: trans.__('Retries, time limit and cache of this task'),
    describedBy: { args: CELL_ARGUMENT },
    isVisible: isTask,
    execute: settings
  });
  commands.addCommand(CELL_COMMANDS.make, {
    label: trans.__('Make This Cell a Task…'),
    caption: trans.__('Record, retry and cache this cell; its code stays as it is'),
    icon: headraceIcon,
    describedBy: { args: CELL_ARGUMENT },
    isVisible: args => {
      const found = chosen(args);
      return !!found && taskOrigin(found.cell) === null;
    },
    execute: settings
  });
  commands.addCommand(CELL_COMMANDS.unmake, {
    label: trans.__('Make This a Plain Cell Again'),
    describedBy: { args: CELL_ARGUMENT },
    isVisible: isTask,
    execute: args => {
      const found = chosen(args);
      found?.write(withoutTask(found.cell));
    }
  });
}

/** Open the menu of a cell's mark; the arrow keys, Enter and Escape are Lab's. */
export function openCellMenu(app: JupyterFrontEnd, panel: NotebookPanel, cell: string, x: number, y: number): void {
  const at = panel.content.widgets.findIndex(each => each.model.id === cell);
  if (at >= 0) {
    panel.content.activeCellIndex = at;
  }
  const menu = new Menu({ commands: app.commands });
  const { upTo, from, output, open, logs, history, settings, unmake } = CELL_COMMANDS;
  [[upTo, from], [output], [open, logs, history], [settings, unmake]].forEach((group, place) => {
    if (place) {
      menu.addItem({ type: 'separator' });
    }
    group.forEach(command => menu.addItem({ command, args: { cell } }));
  });
  const before = document.activeElement as HTMLElement | null;
  menu.aboutToClose.connect(() => {
    before?.focus?.();
    // The command runs after the menu has closed.
    window.setTimeout(() => menu.dispose());
  });
  menu.open(x, y);
}
