/** The least a model needs to be drawn by React: a version that grows, and who to tell. */
import type { IDisposable } from '@lumino/disposable';

export abstract class Model implements IDisposable {
  /** Grows with each visible change; React compares it. */
  version = 0;

  get isDisposed(): boolean {
    return this.disposed;
  }

  /** For `useSyncExternalStore`: bound, and stable over the model's life. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  dispose(): void {
    this.disposed = true;
    this.listeners.clear();
  }

  /** Tell the views that something they show has changed. */
  protected touch(): void {
    if (!this.disposed) {
      this.version += 1;
      this.listeners.forEach(listener => listener());
    }
  }

  private disposed = false;
  private readonly listeners = new Set<() => void>();
}
