/** Filters with a name, kept in the browser for this server; every list of the page shows the same ones. */
import { equal } from '../pure/equal';
import { Model } from './base';
import { readFilter, type IRunFilter } from './filter';

export interface ISavedFilter {
  name: string;
  filter: IRunFilter;
}

const MOST = 50;

export class SavedFilters extends Model {
  constructor(
    baseUrl: string,
    private readonly storage: Pick<Storage, 'getItem' | 'setItem'> | null = local()
  ) {
    super();
    this.key = `headrace:filters:${baseUrl}`;
    this.items = this.read();
    // Another tab of the same server saved one.
    window.addEventListener('storage', this.onStorage);
  }

  items: readonly ISavedFilter[];

  /** Keep a filter; one of the same name is replaced. */
  save(name: string, filter: IRunFilter): void {
    const kept = this.items.filter(item => item.name !== name);
    this.write([...kept, { name, filter: readFilter(filter) }].slice(-MOST));
  }

  remove(name: string): void {
    this.write(this.items.filter(item => item.name !== name));
  }

  /** The name of the saved filter that is the same as this one, null if there is none. */
  nameOf(filter: IRunFilter): string | null {
    const same = readFilter(filter);
    return this.items.find(item => equal(item.filter, same))?.name ?? null;
  }

  dispose(): void {
    window.removeEventListener('storage', this.onStorage);
    super.dispose();
  }

  private write(items: ISavedFilter[]): void {
    this.items = items;
    try {
      this.storage?.setItem(this.key, JSON.stringify(items));
    } catch {
      // A full or forbidden storage: the filters live as long as the page.
    }
    this.touch();
  }

  private read(): ISavedFilter[] {
    try {
      const found: unknown = JSON.parse(this.storage?.getItem(this.key) ?? '[]');
      return Array.isArray(found)
        ? found
            .filter(item => typeof item?.name === 'string' && item.name)
            .map(item => ({ name: item.name as string, filter: readFilter(item.filter) }))
        : [];
    } catch {
      return [];
    }
  }

  private readonly onStorage = (event: StorageEvent) => {
    if (event.key === this.key) {
      this.items = this.read();
      this.touch();
    }
  };

  private readonly key: string;
}

function local(): Storage | null {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}
