/** What the panel asks of the page it stands in; JupyterLab and the standalone page each give their own. */
import type { Manager } from './manager';
import type { Notices } from './model/notices';
import type { IRun, NotebookOutput } from './wire/words';

/** Translates a text; `%1`, `%2` … stand for the arguments. */
export interface ITranslator {
  __(text: string, ...values: (string | number)[]): string;
  _n(one: string, many: string, count: number, ...values: (string | number)[]): string;
}

/** How requests reach the server: Lab's ServerConnection, or a plain fetch with the page's cookie. */
export interface IConnection {
  /** The server's base URL with a slash at its end. */
  readonly baseUrl: string;
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** The address of a websocket below the base URL, the token included only where the page needs it. */
  socketUrl(path: string, query: Record<string, string>): string;
}

/** What a person is asked before something that cannot be undone. */
export interface IQuestion {
  title: string;
  body: string;
  accept: string;
  danger?: boolean;
}

export type NoticeKind = 'success' | 'error' | 'info' | 'warning';

/** A place in the panel; the standalone page turns it into an address, Lab into a widget. */
export type Place =
  | { page: 'home' }
  | { page: 'runs' }
  | { page: 'run'; id: string; tab?: string; node?: string }
  | { page: 'deployment'; id: string }
  | { page: 'compare'; id: string; other?: string }
  | { page: 'workers' };

/** What a file can be asked for: a dialog that makes a run or a schedule of it. */
export interface IDialogRequest {
  kind: 'run' | 'schedule' | 'answer';
  path: string;
  /** The run that waits for an answer. */
  run?: IRun;
  /** The run to be made again, or continued, instead of a new one of the file. */
  again?: { run: IRun; verb: 'rerun' | 'resume'; parameters: Record<string, unknown> };
  deploymentId?: string;
}

export interface IHost {
  readonly trans: ITranslator;
  /** True inside JupyterLab, where a notebook can be opened. */
  readonly inLab: boolean;
  open(place: Place): void;
  /** An address that opens the place again, to be shared. */
  address(place: Place): string;
  openFile(path: string, cellId?: string): void;
  confirm(question: IQuestion): Promise<boolean>;
  notify(kind: NoticeKind, message: string, action?: { label: string; run: () => void }): void;
  dialog(request: IDialogRequest): void;
  /** Draw one output of a notebook into the element, never trusted; the answer takes it away. */
  renderOutput(output: NotebookOutput, element: HTMLElement): Promise<() => void>;
}

/** Everything a view needs, handed down by React's context. */
export interface IServices {
  manager: Manager;
  host: IHost;
  notices: Notices;
}
