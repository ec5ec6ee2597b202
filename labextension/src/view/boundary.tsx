/** What remains of a view whose drawing failed: the reason and a way to try again, instead of a blank panel. */
import * as React from 'react';
import { sentence } from '../wire/errors';
import { Problem } from './basics';

interface IState {
  error: unknown;
}

export class Boundary extends React.Component<{ children: React.ReactNode }, IState> {
  state: IState = { error: null };

  static getDerivedStateFromError(error: unknown): IState {
    return { error };
  }

  render(): React.ReactNode {
    if (this.state.error === null) {
      return this.props.children;
    }
    return <Problem message={sentence(this.state.error)} onRetry={() => this.setState({ error: null })} />;
  }
}
