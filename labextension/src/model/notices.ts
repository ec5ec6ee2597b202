/** Tell when a run failed, and when one ended that the person started here. */
import type { Manager } from '../manager';
import { runName } from '../pure/runname';
import { isFinal } from '../pure/states';
import { duration } from '../pure/time';
import type { IHost } from '../tokens';
import type { IChanges, IRun } from '../wire/words';

/** Runs that ended before the page opened are history, not news. */
export class Notices {
  constructor(
    private readonly manager: Manager,
    private readonly host: IHost
  ) {
    manager.changed.connect(this.onChanged, this);
  }

  /** The person started this run here. */
  started(run: IRun): void {
    this.mine.add(run.id);
    this.tell(run);
  }

  /** Say nothing of runs that the person did not start here. */
  quiet(quiet: boolean): void {
    this.onlyMine = quiet;
  }

  dispose(): void {
    this.manager.changed.disconnect(this.onChanged, this);
  }

  private onChanged(_: Manager, changes: IChanges): void {
    for (const run of changes.runs ?? []) {
      if (!run.parent_id) {
        this.tell(run);
      }
    }
  }

  private tell(run: IRun): void {
    if (!isFinal(run.state_type)) {
      this.tellWaiting(run);
      this.open.add(run.id);
      return;
    }
    this.waiting.delete(run.id);
    const mine = this.mine.delete(run.id);
    const seen = this.open.delete(run.id);
    const { trans } = this.host;
    const bad = run.state_type === 'FAILED' || run.state_type === 'CRASHED';
    // Interactive cells show their error where they stand: a notice would only repeat it.
    const news = bad ? mine || (seen && run.trigger !== 'cell' && !this.onlyMine) : mine;
    if (!news || (run.state_type === 'CANCELLED' && mine)) {
      return;
    }
    const name = runName(run);
    const message = bad
      ? trans.__('%1 failed: %2', name, run.error_summary ?? run.state_message ?? run.state_name ?? '')
      : trans.__('%1 completed in %2', name, duration(run.duration_seconds));
    this.host.notify(bad ? 'error' : 'success', message.slice(0, 300), {
      label: trans.__('Open'),
      run: () => this.host.open({ page: 'run', id: run.id })
    });
  }

  /** A run that waits for a person says so once, wherever the person is. */
  private tellWaiting(run: IRun): void {
    if (run.state_type !== 'PAUSED') {
      this.waiting.delete(run.id);
    } else if (!this.waiting.has(run.id) && (this.open.has(run.id) || this.mine.has(run.id))) {
      this.waiting.add(run.id);
      const { trans } = this.host;
      this.host.notify('warning', trans.__('%1 waits for your answer', runName(run)), {
        label: trans.__('Answer…'),
        run: () => this.host.dialog({ kind: 'answer', path: '', run })
      });
    }
  }

  private readonly waiting = new Set<string>();
  private onlyMine = false;
  private readonly mine = new Set<string>();
  private readonly open = new Set<string>();
}
