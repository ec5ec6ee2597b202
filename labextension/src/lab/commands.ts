/**
 * The commands, for menus, toolbars, palette and launcher. None of these acts without a dialog between, and none of ours is
 * taken from a notebook's markup (reliability.md S-34).
 */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { IHost, ITranslator, Place } from '../tokens';
import { flowIcon, headraceIcon, runIcon, scheduleIcon } from './icons';
import { OPEN_COMMAND } from './panels';

export const COMMANDS = {
  open: OPEN_COMMAND,
  run: 'headrace:run-with-parameters',
  schedule: 'headrace:schedule',
  runs: 'headrace:show-runs',
  home: 'headrace:home',
  flow: 'headrace:notebook-flow'
} as const;

const NO_ARGUMENTS = { type: 'object', properties: {} } as const;
const PATH_ARGUMENT = {
  type: 'object',
  properties: {
    path: { type: 'string', description: 'The notebook, relative to the server’s folder; else the one chosen or open.' }
  }
} as const;
const PLACE_ARGUMENT = {
  type: 'object',
  properties: { place: { type: 'object', description: 'Which view: {page, id, tab, node}.' } },
  required: ['place']
} as const;

interface IParts {
  app: JupyterFrontEnd;
  host: IHost;
  trans: ITranslator;
  notebooks: INotebookTracker | null;
  files: IDefaultFileBrowser | null;
  showSidebar: () => void;
  showFlow: (panel: NotebookPanel) => void;
}

function isPlace(value: unknown): value is Place {
  return typeof value === 'object' && value !== null && typeof (value as { page?: unknown }).page === 'string';
}

/** Lab lets buttons in notebooks and outputs, untrusted ones too, carry any command (CommandLinker): ours do nothing there. */
function refuseMarkup(event: Event): void {
  const target = event.target instanceof Element ? event.target : null;
  if (target?.closest('[data-commandlinker-command^="headrace:"]')) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
}

export function addCommands({ app, host, trans, notebooks, files, showSidebar, showFlow }: IParts): void {
  const { commands } = app;
  document.addEventListener('click', refuseMarkup, true);

  /** The notebook meant: the argument's, the one chosen in the file browser, the one in front. */
  const pathOf = (args: Record<string, unknown>): string | null => {
    if (typeof args.path === 'string') {
      return args.path;
    }
    if (args.from === 'files') {
      const chosen = files ? [...files.selectedItems()].find(item => item.type === 'notebook') : undefined;
      return chosen ? chosen.path.replace(/^[^:/]+:/, '') : null;
    }
    if (args.from === 'launcher') {
      return null;
    }
    return notebooks?.currentWidget?.context.path ?? null;
  };
  /** What the form shows is the file: it is saved first, so that both are the same. */
  const saved = async (path: string): Promise<void> => {
    const open = notebooks?.find(panel => panel.context.path === path);
    if (open?.context.model.dirty && !open.context.model.readOnly) {
      await open.context.save();
    }
  };
  /** With no notebook in front, the person chooses one. */
  const asked = async (label: string): Promise<string | null> => {
    if (!files) {
      host.notify('info', trans.__('Open a notebook first.'));
      return null;
    }
    const { FileDialog } = await import('@jupyterlab/filebrowser');
    const answer = await FileDialog.getOpenFiles({
      manager: files.model.manager,
      title: trans.__('%1 which notebook?', label),
      filter: model => (model.type === 'notebook' ? {} : null)
    });
    const chosen = answer.button.accept ? answer.value?.find(each => each.type === 'notebook') : undefined;
    return chosen ? chosen.path.replace(/^[^:/]+:/, '') : null;
  };
  const dialog = (kind: 'run' | 'schedule') => async (args: Record<string, unknown>) => {
    const path = pathOf(args) ?? (await asked(kind === 'run' ? trans.__('Run') : trans.__('Schedule')));
    if (!path) {
      return;
    }
    await saved(path);
    host.dialog({ kind, path });
  };

  commands.addCommand(COMMANDS.run, {
    label: args => (args.from === 'launcher' ? trans.__('Run a Notebook…') : trans.__('Run with Parameters…')),
    caption: trans.__('Run this notebook as a recorded run'),
    icon: runIcon,
    describedBy: { args: PATH_ARGUMENT },
    execute: args => dialog('run')(args)
  });
  commands.addCommand(COMMANDS.schedule, {
    label: args => (args.from === 'launcher' ? trans.__('Schedule a Notebook…') : trans.__('Schedule…')),
    caption: trans.__('Run this notebook by itself at set times'),
    icon: scheduleIcon,
    describedBy: { args: PATH_ARGUMENT },
    execute: args => dialog('schedule')(args)
  });
  commands.addCommand(COMMANDS.flow, {
    label: trans.__('Show the Flow of This Notebook'),
    caption: trans.__('The graph of this notebook’s tasks, beside it'),
    icon: flowIcon,
    describedBy: { args: NO_ARGUMENTS },
    isEnabled: () => !!notebooks?.currentWidget,
    execute: () => {
      if (notebooks?.currentWidget) {
        showFlow(notebooks.currentWidget);
      }
    }
  });
  commands.addCommand(COMMANDS.runs, {
    label: trans.__('Show Headrace Runs and Schedules'),
    caption: trans.__('What runs, what ran and what is next'),
    icon: headraceIcon,
    describedBy: { args: NO_ARGUMENTS },
    execute: showSidebar
  });
  commands.addCommand(COMMANDS.home, {
    label: args => (args.isLauncher ? trans.__('Headrace') : trans.__('Open Headrace’s Home')),
    caption: trans.__('Today’s picture: what runs, what failed, what is next'),
    icon: headraceIcon,
    describedBy: { args: NO_ARGUMENTS },
    execute: () => host.open({ page: 'home' })
  });
  commands.addCommand(COMMANDS.open, {
    label: trans.__('Open a Headrace View'),
    icon: flowIcon,
    describedBy: { args: PLACE_ARGUMENT },
    execute: args => {
      if (isPlace(args.place)) {
        host.open(args.place);
      }
    }
  });
}
