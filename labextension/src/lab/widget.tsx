/** Lab's widgets around the panel's views; the views themselves come when they are first drawn. */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import { Signal, type ISignal } from '@lumino/signaling';
import * as React from 'react';
import type { DocumentModel } from '../model/document';
import type { IServices, Place } from '../tokens';
import { ServicesProvider } from '../view/context';
import type { INotebookCalls } from '../view/notebookflow';
import { flowIcon, headraceIcon } from './icons';

const Sidebar = React.lazy(() => import('../view/sidebar').then(module => ({ default: module.Sidebar })));
const PlaceView = React.lazy(() => import('../view/place').then(module => ({ default: module.PlaceView })));

const NotebookFlow = React.lazy(() =>
  import('../view/notebookflow').then(module => ({ default: module.NotebookFlow }))
);

/** Lab writes a label in full into its status bar, a caption into a tip. */
const LONGEST_LABEL = 60;
const LONGEST_CAPTION = 300;

function shortened(text: string, longest: number): string {
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}

/** The flow of an open notebook; it goes when the notebook does. */
export class NotebookFlowWidget extends ReactWidget {
  constructor(
    private readonly services: IServices,
    private readonly model: DocumentModel,
    private readonly calls: INotebookCalls
  ) {
    super();
    this.title.label = services.host.trans.__('Flow of %1', model.title);
    this.title.icon = flowIcon;
    this.title.closable = true;
    this.addClass('hr-widget');
  }

  /** Mark the node of the cell that is worked on. */
  follow(cellId: string | null): void {
    this.active = cellId;
    this.update();
  }

  protected render(): JSX.Element {
    return (
      <ServicesProvider value={this.services}>
        <React.Suspense fallback={null}>
          <NotebookFlow model={this.model} active={this.active} calls={this.calls} />
        </React.Suspense>
      </ServicesProvider>
    );
  }

  private active: string | null = null;
}

export class SidebarWidget extends ReactWidget {
  constructor(private readonly services: IServices) {
    super();
    this.id = 'headrace-sidebar';
    this.title.icon = headraceIcon;
    this.title.caption = services.host.trans.__('Headrace: runs and schedules');
    this.node.setAttribute('role', 'region');
    this.node.tabIndex = -1;
    this.node.setAttribute('aria-label', 'Headrace');
    this.addClass('hr-widget');
  }

  protected onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this.update();
  }

  /** Who opens it by the keyboard goes on in it. */
  protected onActivateRequest(msg: Message): void {
    super.onActivateRequest(msg);
    if (!this.node.contains(document.activeElement)) {
      this.node.focus();
    }
  }

  protected render(): JSX.Element {
    // Lab attaches its side bars hidden: nothing is loaded before the first look.
    this.seen ||= this.isVisible;
    if (!this.seen) {
      return <></>;
    }
    return (
      <ServicesProvider value={this.services}>
        <React.Suspense fallback={null}>
          <Sidebar />
        </React.Suspense>
      </ServicesProvider>
    );
  }

  private seen = false;
}

export class PlaceWidget extends ReactWidget {
  constructor(
    private readonly services: IServices,
    private _place: Place
  ) {
    super();
    this.title.label = 'Headrace';
    this.title.icon = _place.page === 'run' ? flowIcon : headraceIcon;
    this.title.closable = true;
    this.addClass('hr-widget');
  }

  get place(): Place {
    return this._place;
  }

  get placeChanged(): ISignal<this, Place> {
    return this._placeChanged;
  }

  /** Show another part of the same place. */
  goTo(place: Place): void {
    if (('node' in place && place.node) || ('tab' in place && place.tab)) {
      this._place = place;
      this.round += 1;
      this.update();
    }
  }

  dispose(): void {
    Signal.clearData(this);
    super.dispose();
  }

  protected render(): JSX.Element {
    return (
      <ServicesProvider value={this.services}>
        <React.Suspense fallback={null}>
          <PlaceView
            key={this.round}
            place={this._place}
            onPlace={place => {
              this._place = place;
              this._placeChanged.emit(place);
            }}
            onTitle={(label, caption) => {
              this.title.label = shortened(label, LONGEST_LABEL);
              this.title.caption = shortened(caption, LONGEST_CAPTION);
            }}
            onClose={() => (this.parent ?? this).close()}
          />
        </React.Suspense>
      </ServicesProvider>
    );
  }

  private round = 0;
  private readonly _placeChanged = new Signal<this, Place>(this);
}
