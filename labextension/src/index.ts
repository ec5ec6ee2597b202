/** The JupyterLab plugin: joins Lab's services with the panel's, and nothing else. */
import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator } from '@jupyterlab/translation';
import { addCellCommands, CELL_COMMANDS, openCellMenu } from './lab/cellcommands';
import { addCommands, COMMANDS } from './lab/commands';
import { labConnection } from './lab/connection';
import { LabHost } from './lab/host';
import { Panels } from './lab/panels';
import { StatusWidget } from './lab/status';
import { OpenNotebooks } from './lab/notebooks';
import { showFlow } from './lab/flow';
import { PlaceWidget, SidebarWidget } from './lab/widget';
import { Manager } from './manager';
import { Notices } from './model/notices';
import { setPageTranslator } from './pure/translate';
import { troubleWords } from './pure/troubles';

const PLUGIN_ID = 'headrace:plugin';

const plugin: JupyterFrontEndPlugin<void> = {
  id: PLUGIN_ID,
  description: 'Flow graphs, logs, history and schedules of Headrace, live.',
  autoStart: true,
  requires: [ITranslator],
  optional: [
    ILayoutRestorer,
    ICommandPalette,
    ILauncher,
    IDefaultFileBrowser,
    INotebookTracker,
    IRenderMimeRegistry,
    ISettingRegistry,
    IStatusBar
  ],
  activate: (
    app: JupyterFrontEnd,
    translator: ITranslator,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    files: IDefaultFileBrowser | null,
    notebooks: INotebookTracker | null,
    rendermime: IRenderMimeRegistry | null,
    settings: ISettingRegistry | null,
    statusBar: IStatusBar | null
  ) => {
    const trans = translator.load('headrace');
    setPageTranslator(trans);
    const manager = new Manager(labConnection(app.serviceManager.serverSettings));
    const host = new LabHost(app, trans, rendermime, notebooks);
    const services = { manager, host, notices: new Notices(manager, host) };
    const panels = new Panels(app, place => new PlaceWidget(services, place));
    host.panels = panels;
    host.services = services;

    const sidebar = new SidebarWidget(services);
    app.shell.add(sidebar, 'left', { rank: 600, type: 'Headrace' });
    const open = notebooks
      ? new OpenNotebooks(services, notebooks, (panel, cell, x, y) => openCellMenu(app, panel, cell, x, y))
      : null;
    if (notebooks && open) {
      addCellCommands(app, services, notebooks, open);
    }
    addCommands({
      app,
      host,
      trans,
      notebooks,
      files,
      showSidebar: () => app.shell.activateById(sidebar.id),
      showFlow: panel => {
        void open?.fresh(panel);
        showFlow(app, services, open?.peek(panel) ?? null, panel);
      }
    });

    restorer?.add(sidebar, sidebar.id);
    if (restorer) {
      panels.restore(restorer);
    }
    statusBar?.registerStatusItem('headrace:counts', {
      item: new StatusWidget(services),
      align: 'left',
      rank: 4
    });
    for (const command of [...Object.values(COMMANDS), ...Object.values(CELL_COMMANDS)]) {
      if (command !== COMMANDS.open && (open || !Object.values<string>(CELL_COMMANDS).includes(command))) {
        palette?.addItem({ command, category: 'Headrace' });
      }
    }
    const category = trans.__('Headrace');
    launcher?.add({ command: COMMANDS.home, category, rank: 20, args: { isLauncher: true } });
    launcher?.add({ command: COMMANDS.run, category, rank: 21, args: { from: 'launcher' } });
    launcher?.add({ command: COMMANDS.schedule, category, rank: 22, args: { from: 'launcher' } });
    // The page was installed, the server has not loaded its part, or still another one: that is said once.
    let said = false;
    manager.troubleChanged.connect((_, trouble) => {
      if ((trouble?.kind === 'absent' || trouble?.kind === 'versions') && !said) {
        said = true;
        host.notify('warning', troubleWords(trouble, trans));
      }
    });

    void app.restored.then(async () => {
      const loaded = await settings?.load(PLUGIN_ID).catch(() => null);
      const follow = () => services.notices.quiet(loaded?.get('notifications').composite === false);
      loaded?.changed.connect(follow);
      follow();
      manager.start();
      // Lab's start does not pay for the views; but a server that goes later must not take them along.
      window.setTimeout(() => {
        performance.mark('headrace:started');
        const views = [
          import('./view/sidebar'),
          import('./view/place'),
          import('./view/notebookflow'),
          import('./graph/view'),
          import('./dialogs/open'),
          import('./dialogs/cell')
        ];
        void Promise.all(views).catch(() => {
          // They are asked for again when they are needed.
        });
      }, 2000);
    });
  }
};

export default plugin;
