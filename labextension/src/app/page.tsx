/** The standalone page: a head with its places, the place, and messages. */
import * as React from 'react';
import type { Place } from '../tokens';
import { IconButton } from '../view/basics';
import { useServices } from '../view/context';
import { PlaceView } from '../view/place';
import type { IMessage, PageHost } from './host';
import { fromHash, toHash } from './router';

const MESSAGE_MS = 8000;

function usePlace(): Place {
  const [place, setPlace] = React.useState(() => fromHash(window.location.hash));
  React.useEffect(() => {
    const follow = () => setPlace(fromHash(window.location.hash));
    window.addEventListener('hashchange', follow);
    return () => window.removeEventListener('hashchange', follow);
  }, []);
  return place;
}

function Messages({ host }: { host: PageHost }): JSX.Element {
  const [messages, setMessages] = React.useState<IMessage[]>([]);
  React.useEffect(() => {
    const drop = (id: number) => setMessages(old => old.filter(message => message.id !== id));
    host.onMessage = message => {
      setMessages(old => [...old.slice(-3), message]);
      if (message.kind !== 'error') {
        window.setTimeout(() => drop(message.id), MESSAGE_MS);
      }
    };
    return () => {
      host.onMessage = null;
    };
  }, [host]);
  return (
    <div className="hr-messages" role="status">
      {messages.map(message => (
        <div key={message.id} className={`hr-message hr-mod-${message.kind}`}>
          <span>{message.text}</span>
          {message.action && (
            <button type="button" className="hr-link" onClick={message.action.run}>
              {message.action.label}
            </button>
          )}
          <IconButton
            icon="close"
            label={host.trans.__('Close')}
            onClick={() => setMessages(old => old.filter(other => other.id !== message.id))}
          />
        </div>
      ))}
    </div>
  );
}

export function Page({ host }: { host: PageHost }): JSX.Element {
  const { trans } = useServices().host;
  const place = usePlace();
  React.useEffect(() => {
    document.title = 'Headrace';
  }, [place]);
  const link = (to: Place, label: string, current: boolean) => (
    <a href={toHash(to)} aria-current={current ? 'page' : undefined}>
      {label}
    </a>
  );
  return (
    <>
      <nav className="hr-nav hr-root" aria-label={trans.__('Places')}>
        <strong>Headrace</strong>
        {link({ page: 'home' }, trans.__('Home'), place.page === 'home')}
        {link({ page: 'runs' }, trans.__('Runs'), place.page === 'runs')}
        {link({ page: 'workers' }, trans.__('Workers and limits'), place.page === 'workers')}
      </nav>
      <main className="hr-main">
        <PlaceView
          key={'id' in place ? `${place.page} ${place.id}` : place.page}
          place={place}
          // The address follows the view without a step in the browser's history.
          onPlace={next => window.history.replaceState(null, '', toHash(next))}
          onTitle={label => {
            document.title = `${label} – Headrace`;
          }}
          onClose={() => host.open({ page: 'runs' })}
        />
      </main>
      <Messages host={host} />
    </>
  );
}
