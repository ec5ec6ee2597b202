/** The schedules, and the deployments they belong to, kept as the server has them. */
import type { Manager } from '../manager';
import { equal } from '../pure/equal';
import { sentence } from '../wire/errors';
import type { IChanges, IDeployment, ISchedule } from '../wire/words';
import { Model } from './base';

/** Several changes in a row are answered by one request. */
const SETTLE_MS = 150;

export class SchedulesModel extends Model {
  constructor(private readonly manager: Manager) {
    super();
    manager.changed.connect(this.onChanged, this);
    manager.reset.connect(this.reload, this);
    this.reload();
  }

  schedules: readonly ISchedule[] = [];
  deployments: ReadonlyMap<string, IDeployment> = new Map();
  loading = true;
  error: string | null = null;

  reload(): void {
    void this.load();
  }

  dispose(): void {
    window.clearTimeout(this.timer);
    this.manager.changed.disconnect(this.onChanged, this);
    this.manager.reset.disconnect(this.reload, this);
    super.dispose();
  }

  private async load(): Promise<void> {
    try {
      const [schedules, deployments] = await Promise.all([
        this.manager.api.schedules(),
        this.manager.api.deployments()
      ]);
      schedules.sort(
        (a, b) => (a.next_fire_at ?? '~').localeCompare(b.next_fire_at ?? '~') || a.id.localeCompare(b.id)
      );
      const known = new Map(deployments.map(deployment => [deployment.id, deployment]));
      const same = !this.loading && equal(schedules, this.schedules) && equal([...known], [...this.deployments]);
      this.schedules = schedules;
      this.deployments = known;
      if (!same || this.error) {
        this.error = null;
        this.loading = false;
        this.touch();
      }
    } catch (error) {
      this.error = sentence(error);
      this.loading = false;
      this.touch();
    }
  }

  private onChanged(_: Manager, changes: IChanges): void {
    const ended = changes.runs?.some(run => run.deployment_id && !run.parent_id);
    if (changes.schedules || changes.deployments || ended) {
      window.clearTimeout(this.timer);
      this.timer = window.setTimeout(() => this.reload(), SETTLE_MS);
    }
  }

  private timer = 0;
}
