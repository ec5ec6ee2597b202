/** How views reach the page's services, follow models and tell the time. */
import * as React from 'react';
import type { Model } from '../model/base';
import type { IServices, ITranslator } from '../tokens';

const Services = React.createContext<IServices | null>(null);

export const ServicesProvider = Services.Provider;

export function useServices(): IServices {
  const services = React.useContext(Services);
  if (!services) {
    throw new Error('A Headrace view stands outside of its ServicesProvider.');
  }
  return services;
}

export function useTrans(): ITranslator {
  return useServices().host.trans;
}

/** Draw again whenever the model says that something changed. */
export function useModel<M extends Pick<Model, 'version' | 'subscribe'>>(model: M): M {
  React.useSyncExternalStore(model.subscribe, () => model.version);
  return model;
}

/** A model that lives as long as the view and is made anew when a key changes. */
export function useOwned<M extends Model>(make: () => M, keys: React.DependencyList): M {
  // Made in render, so that the first frame has it; disposed of when the keys change or the view goes.
  const held = React.useRef<{ model: M; keys: React.DependencyList } | null>(null);
  const same = held.current && keys.every((key, at) => Object.is(key, held.current!.keys[at]));
  if (!same || held.current!.model.isDisposed) {
    held.current?.model.dispose();
    held.current = { model: make(), keys };
  }
  const { model } = held.current!;
  React.useEffect(() => () => model.dispose(), [model]);
  return useModel(model);
}

/** One clock for all who show the time: a graph of a thousand running tasks has one timer, and draws none of them twice. */
class Clock {
  constructor(private readonly period: number) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    this.timer ||= window.setInterval(() => {
      this.now = Date.now();
      this.listeners.forEach(each => each());
    }, this.period);
    return () => {
      this.listeners.delete(listener);
      if (!this.listeners.size) {
        window.clearInterval(this.timer);
        this.timer = 0;
      }
    };
  };

  readonly read = (): number => {
    // Nobody may have listened for long.
    if (Date.now() - this.now > this.period) {
      this.now = Date.now();
    }
    return this.now;
  };

  private now = 0;
  private timer = 0;
  private readonly listeners = new Set<() => void>();
}

const SECONDS = new Clock(1000);
const HALF_MINUTES = new Clock(30_000);

/** The present, drawn again each second while something is running, else each half minute. */
export function useNow(running: boolean): number {
  const clock = running ? SECONDS : HALF_MINUTES;
  return React.useSyncExternalStore(clock.subscribe, clock.read);
}

/** What a promise brings, kept while it is asked again; a late answer to an old question is dropped. */
export function useLoaded<T>(
  load: () => Promise<T>,
  keys: React.DependencyList
): { value: T | null; error: string | null; loading: boolean; reload: () => void } {
  const [state, setState] = React.useState<{ value: T | null; error: string | null; loading: boolean }>({
    value: null,
    error: null,
    loading: true
  });
  const [round, setRound] = React.useState(0);
  React.useEffect(() => {
    let current = true;
    setState(old => ({ ...old, loading: true }));
    load().then(
      value => current && setState({ value, error: null, loading: false }),
      error => current && setState(old => ({ ...old, error: String(error?.message ?? error), loading: false }))
    );
    return () => {
      current = false;
    };
    // The caller says what the question depends on.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [...keys, round]);
  return { ...state, reload: React.useCallback(() => setRound(old => old + 1), []) };
}

/** The value, once it has not changed for a while. */
export function useSettled<T>(value: T, milliseconds: number): T {
  const [settled, setSettled] = React.useState(value);
  React.useEffect(() => {
    const timer = window.setTimeout(() => setSettled(value), milliseconds);
    return () => window.clearTimeout(timer);
  }, [value, milliseconds]);
  return settled;
}
