/** The standalone page's way to the server: the page's own cookies, Jupyter's XSRF token with each change. */
import type { IConnection } from '../tokens';

interface IPageConfig {
  baseUrl: string;
}

/** What the server wrote into the page; else the address up to `headrace/`. */
export function pageConfig(): IPageConfig {
  const written = document.getElementById('jupyter-config-data')?.textContent;
  const config = written ? (JSON.parse(written) as Partial<IPageConfig>) : {};
  const path = config.baseUrl ?? window.location.pathname.replace(/headrace\/?[^/]*$/, '');
  return { baseUrl: path.endsWith('/') ? path : `${path}/` };
}

function cookie(name: string): string | null {
  const found = document.cookie.split('; ').find(each => each.startsWith(`${name}=`));
  return found ? decodeURIComponent(found.slice(name.length + 1)) : null;
}

export function pageConnection({ baseUrl }: IPageConfig = pageConfig()): IConnection {
  const base = new URL(baseUrl, window.location.href).href;
  return {
    baseUrl: base,
    fetch: (url, init) => {
      const headers = new Headers(init.headers);
      const token = cookie('_xsrf');
      if (token && init.method !== 'GET') {
        headers.set('X-XSRFToken', token);
      }
      return fetch(url, { ...init, headers, credentials: 'same-origin' });
    },
    socketUrl: (path, query) => {
      const words = new URLSearchParams(query).toString();
      return base.replace(/^http/, 'ws') + path + (words ? `?${words}` : '');
    }
  };
}
