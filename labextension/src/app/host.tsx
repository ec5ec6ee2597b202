/** The panel's page on its own: addresses instead of widgets, messages in a corner. */
import { ask, openDialog } from '../dialogs/open';
import { untranslated } from '../pure/translate';
import type { IDialogRequest, IHost, IQuestion, IServices, NoticeKind, Place } from '../tokens';
import type { NotebookOutput } from '../wire/words';
import { renderPlain } from '../view/plainoutput';
import { toHash } from './router';

export interface IMessage {
  id: number;
  kind: NoticeKind;
  text: string;
  action?: { label: string; run: () => void };
}

export class PageHost implements IHost {
  readonly inLab = false;
  readonly trans = untranslated;
  services: IServices | null = null;
  /** The page shows what is told; set by it. */
  onMessage: ((message: IMessage) => void) | null = null;

  open(place: Place): void {
    window.location.hash = toHash(place);
  }

  address(place: Place): string {
    return window.location.href.replace(/#.*$/, '') + toHash(place);
  }

  openFile(): void {
    // Without Lab there is no editor: the views offer no such link here.
  }

  confirm(question: IQuestion): Promise<boolean> {
    return ask(this.services!, question);
  }

  notify(kind: NoticeKind, text: string, action?: IMessage['action']): void {
    this.count += 1;
    this.onMessage?.({ id: this.count, kind, text, action });
  }

  dialog(request: IDialogRequest): void {
    openDialog(this.services!, request);
  }

  async renderOutput(output: NotebookOutput, element: HTMLElement): Promise<() => void> {
    renderPlain(output, element);
    return () => element.replaceChildren();
  }

  private count = 0;
}
