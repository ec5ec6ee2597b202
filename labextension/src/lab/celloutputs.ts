/**
 * What a cell shows that `%flow run` runs lands in that cell: the kernel knows that we do so (see magicloader.ts), and
 * sends such a cell's messages with the cell's id in their parent.
 */
import type { CodeCell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import { PromiseDelegate } from '@lumino/coreutils';

/** The kernel's word for "this cell begins" and "it has ended" (headrace.kernel_magic.cells.routing). */
const CELL_MESSAGE = 'headrace_cell';

type Handler = (msg: KernelMessage.IIOPubMessage) => void | PromiseLike<void>;
interface IRouted {
  headrace_cell?: string;
  headrace_front?: string;
}

/** Stands for the execution of a cell that the kernel runs by itself; the cell's output area listens to it. */
class Execution {
  isDisposed = false;
  onIOPub: Handler = () => undefined;
  onReply: (msg: KernelMessage.IShellMessage) => void = () => undefined;
  onStdin: (msg: KernelMessage.IStdinMessage) => void = () => undefined;
  private readonly ended = new PromiseDelegate<KernelMessage.IExecuteReplyMsg | undefined>();
  readonly done = this.ended.promise;
  readonly displays = new Set<string>();

  constructor(readonly msg: KernelMessage.IExecuteRequestMsg) {}

  end(): void {
    this.ended.resolve(undefined);
  }

  dispose(): void {
    this.isDisposed = true;
    this.onIOPub = () => undefined;
    this.end();
  }

  registerMessageHook(): void {
    // Hooks are for widgets that capture an execution of the client's own.
  }
  removeMessageHook(): void {
    // See above.
  }
  sendInputReply(): void {
    // Questions are asked under the cell that said `%flow run`.
  }
}

export class CellOutputs {
  constructor(private readonly panel: NotebookPanel) {
    const { sessionContext } = panel;
    sessionContext.iopubMessage.connect(this.hear, this);
    sessionContext.statusChanged.connect(this.onStatus, this);
  }

  dispose(): void {
    const { sessionContext } = this.panel;
    sessionContext.iopubMessage.disconnect(this.hear, this);
    sessionContext.statusChanged.disconnect(this.onStatus, this);
    this.running.clear();
  }

  private onStatus(_: unknown, status: Kernel.Status): void {
    if (status === 'restarting' || status === 'autorestarting' || status === 'dead') {
      this.running.clear();
    }
  }

  private hear(_: unknown, heard: KernelMessage.IMessage): void {
    const msg = heard as KernelMessage.IIOPubMessage;
    const parent = msg.parent_header as Partial<KernelMessage.IHeader> & IRouted;
    const mine = parent.session === this.panel.sessionContext.session?.kernel?.clientId;
    if (parent.headrace_front && parent.headrace_cell && mine) {
      this.route(parent.headrace_cell, msg);
    } else if ((msg.header.msg_type as string) === 'update_display_data') {
      this.update(msg as KernelMessage.IUpdateDisplayDataMsg);
    }
  }

  private route(cellId: string, msg: KernelMessage.IIOPubMessage): void {
    const cell = this.cell(cellId);
    if (!cell) {
      return;
    }
    if ((msg.header.msg_type as string) === CELL_MESSAGE) {
      const said = msg.content as unknown as { state: string; execution_count: number };
      if (said.state === 'running') {
        this.begin(cell, cellId, msg);
      } else {
        this.end(cell, cellId, said.execution_count);
      }
      return;
    }
    const execution = this.running.get(cellId) ?? this.begin(cell, cellId, msg);
    const shown = (msg.content as { transient?: { display_id?: string } }).transient?.display_id;
    if (shown) {
      execution.displays.add(shown);
    }
    void execution.onIOPub(msg);
  }

  private begin(cell: CodeCell, cellId: string, msg: KernelMessage.IIOPubMessage): Execution {
    const execution = new Execution({
      ...msg,
      header: msg.parent_header
    } as unknown as KernelMessage.IExecuteRequestMsg);
    cell.outputArea.future = execution as unknown as typeof cell.outputArea.future;
    cell.model.executionCount = null;
    cell.setPrompt('*');
    this.running.set(cellId, execution);
    return execution;
  }

  private end(cell: CodeCell, cellId: string, count: number): void {
    this.running.get(cellId)?.end();
    cell.model.executionCount = count;
    cell.setPrompt(String(count));
  }

  /** A display that another cell changes: Lab knows only those of its own executions. */
  private update(msg: KernelMessage.IUpdateDisplayDataMsg): void {
    const shown = msg.content.transient?.display_id;
    for (const execution of this.running.values()) {
      if (shown && execution.displays.has(shown) && !execution.isDisposed) {
        void execution.onIOPub(msg);
      }
    }
  }

  private cell(cellId: string): CodeCell | null {
    const found = this.panel.content.widgets.find(widget => widget.model.id === cellId);
    return found?.model.type === 'code' ? (found as CodeCell) : null;
  }

  private readonly running = new Map<string, Execution>();
}
