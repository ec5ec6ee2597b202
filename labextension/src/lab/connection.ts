/** Lab's own way to the server: its base URL, token, cookies and XSRF. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import type { IConnection } from '../tokens';

export function labConnection(settings: ServerConnection.ISettings): IConnection {
  return {
    baseUrl: settings.baseUrl.endsWith('/') ? settings.baseUrl : `${settings.baseUrl}/`,
    // Lab's default is `no-store`, for which it puts a made-up field into the query; the server refuses unknown fields.
    fetch: (url, init) => ServerConnection.makeRequest(url, { ...init, cache: 'no-cache' }, settings),
    socketUrl: (path, query) => {
      const words = new URLSearchParams(query);
      // Only where cookies do not reach the websocket; Lab decides.
      if (settings.appendToken && settings.token) {
        words.set('token', settings.token);
      }
      const text = words.toString();
      return URLExt.join(settings.wsUrl, path) + (text ? `?${text}` : '');
    }
  };
}
