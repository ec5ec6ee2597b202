/** The panel's page inside JupyterLab. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import { PageConfig, URLExt } from '@jupyterlab/coreutils';
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { toHash } from '../app/router';
import { clean } from '../pure/ansi';
import { renderPlain } from '../view/plainoutput';
import type { IDialogRequest, IHost, IQuestion, IServices, ITranslator, NoticeKind, Place } from '../tokens';
import type { NotebookOutput } from '../wire/words';
import { nearby } from './nearby';
import { revealCell } from './notebooks';
import type { Panels } from './panels';

const NOTICE_MS = { success: 6000, info: 6000, warning: 10_000, error: false } as const;

export class LabHost implements IHost {
  constructor(
    private readonly app: JupyterFrontEnd,
    readonly trans: ITranslator,
    rendermime: IRenderMimeRegistry | null,
    private readonly notebooks: INotebookTracker | null
  ) {
    this.rendermime = rendermime?.clone({ sanitizer: nearby(rendermime.sanitizer) }) ?? null;
  }

  private readonly rendermime: IRenderMimeRegistry | null;
  readonly inLab = true;
  /** Set by the plugin, which makes them all. */
  panels: Panels | null = null;
  services: IServices | null = null;

  open(place: Place): void {
    this.panels?.open(place);
  }

  address(place: Place): string {
    return `${URLExt.join(PageConfig.getBaseUrl(), 'headrace/')}${toHash(place)}`;
  }

  openFile(path: string, cellId?: string): void {
    void this.app.commands.execute('docmanager:open', { path }).then(async () => {
      const panel = cellId ? this.notebooks?.find(each => each.context.path === path) : null;
      if (panel && cellId) {
        await revealCell(panel, cellId);
      }
    });
  }

  async confirm(question: IQuestion): Promise<boolean> {
    const accept = question.danger ? Dialog.warnButton : Dialog.okButton;
    const answer = await showDialog({
      title: question.title,
      body: question.body,
      buttons: [Dialog.cancelButton(), accept({ label: question.accept })],
      // What cannot be undone is not one Enter away.
      defaultButton: question.danger ? 0 : 1
    });
    return answer.button.accept;
  }

  notify(kind: NoticeKind, message: string, action?: { label: string; run: () => void }): void {
    Notification.emit(message, kind, {
      autoClose: NOTICE_MS[kind],
      actions: action ? [{ label: action.label, callback: action.run }] : []
    });
  }

  dialog(request: IDialogRequest): void {
    const { services } = this;
    if (services) {
      void import('../dialogs/open').then(({ openDialog }) => openDialog(services, request));
    }
  }

  async renderOutput(output: NotebookOutput, element: HTMLElement): Promise<() => void> {
    const data = output.data as Record<string, never> | undefined;
    const type = data && this.rendermime?.preferredMimeType(data, 'ensure');
    if (!type || !this.rendermime) {
      renderPlain(output, element);
      return () => element.replaceChildren();
    }
    const { MimeModel } = await import('@jupyterlab/rendermime');
    const { Widget } = await import('@lumino/widgets');
    if (!element.isConnected) {
      return () => undefined;
    }
    const renderer = this.rendermime.createRenderer(type);
    Widget.attach(renderer, element);
    try {
      await renderer.renderModel(new MimeModel({ data, metadata: output.metadata as never, trusted: false }));
      const words = data['text/plain'] as string | string[] | undefined;
      describePictures(element, Array.isArray(words) ? words.join('') : words);
    } catch {
      renderer.dispose();
      renderPlain(output, element);
    }
    return () => {
      // Lumino lets go of what is on the page only, and the view may have gone while this was drawn.
      if (!element.isConnected) {
        element.hidden = true;
        document.body.append(element);
        renderer.dispose();
        element.remove();
      } else {
        renderer.dispose();
      }
    };
  }
}

/** Lab's renderers leave pictures without words, for those who do not see them. */
function describePictures(element: HTMLElement, words: string | undefined): void {
  element.querySelectorAll<HTMLImageElement>('img:not([alt])').forEach(picture => {
    picture.alt = clean(words ?? '');
  });
}
