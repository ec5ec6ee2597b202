/** Places as addresses: `#/runs`, `#/runs/<id>?tab=logs&node=<id>`, `#/deployments/<id>`, `#/compare/<id>/<id>`, `#/home`, `#/workers`. */
import type { Place } from '../tokens';

export function toHash(place: Place): string {
  switch (place.page) {
    case 'run': {
      const words = new URLSearchParams();
      if (place.tab) {
        words.set('tab', place.tab);
      }
      if (place.node) {
        words.set('node', place.node);
      }
      const text = words.toString();
      return `#/runs/${encodeURIComponent(place.id)}${text ? `?${text}` : ''}`;
    }
    case 'deployment':
      return `#/deployments/${encodeURIComponent(place.id)}`;
    case 'compare':
      return `#/compare/${[place.id, place.other]
        .filter(Boolean)
        .map(id => encodeURIComponent(id!))
        .join('/')}`;
    default:
      return `#/${place.page}`;
  }
}

/** The place of an address; what is unknown leads to the start. */
export function fromHash(hash: string): Place {
  const [path, query] = hash.replace(/^#\/?/, '').split('?');
  const [page, id, other] = path.split('/').map(decodeURIComponent);
  const words = new URLSearchParams(query);
  if (page === 'runs' && id) {
    return { page: 'run', id, tab: words.get('tab') ?? undefined, node: words.get('node') ?? undefined };
  }
  if (page === 'deployments' && id) {
    return { page: 'deployment', id };
  }
  if (page === 'compare' && id) {
    return { page, id, other: other || undefined };
  }
  if (page === 'runs' || page === 'workers') {
    return { page };
  }
  return { page: 'home' };
}
