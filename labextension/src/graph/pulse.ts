/** Tells each drawn node of its own changes only: a thousand nodes do not each look at every change. */
export class Pulse {
  subscribe(id: string, listener: () => void): () => void {
    let set = this.listeners.get(id);
    if (!set) {
      set = new Set();
      this.listeners.set(id, set);
    }
    set.add(listener);
    return () => {
      set.delete(listener);
      if (!set.size) {
        this.listeners.delete(id);
      }
    };
  }

  version(id: string): number {
    return this.versions.get(id) ?? 0;
  }

  emit(ids: Iterable<string>): void {
    for (const id of ids) {
      this.versions.set(id, this.version(id) + 1);
      this.listeners.get(id)?.forEach(listener => listener());
    }
  }

  private readonly listeners = new Map<string, Set<() => void>>();
  private readonly versions = new Map<string, number>();
}
