/** The panel's widgets in Lab's main area: one for each place, found again when asked for twice. */
import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import type { Place } from '../tokens';
import type { PlaceWidget } from './widget';

export const OPEN_COMMAND = 'headrace:open';

type Main = MainAreaWidget<PlaceWidget>;

function key(place: Place): string {
  const ids = 'id' in place ? [place.id, ...('other' in place && place.other ? [place.other] : [])] : [];
  return [place.page, ...ids].join(':');
}

export class Panels {
  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly make: (place: Place) => PlaceWidget
  ) {}

  readonly tracker = new WidgetTracker<Main>({ namespace: 'headrace' });

  open(place: Place): void {
    const found = this.tracker.find(widget => key(widget.content.place) === key(place));
    if (found) {
      found.content.goTo(place);
      this.app.shell.activateById(found.id);
      return;
    }
    const content = this.make(place);
    const widget = new MainAreaWidget({ content });
    // The view brings its own; an empty one would stand above it as a stripe.
    widget.toolbar.hide();
    widget.id = `headrace-${key(place)}`;
    content.placeChanged.connect(() => void this.tracker.save(widget));
    void this.tracker.add(widget);
    this.app.shell.add(widget, 'main');
    this.app.shell.activateById(widget.id);
  }

  close(id: string): void {
    this.tracker.find(widget => 'id' in widget.content.place && widget.content.place.id === id)?.dispose();
  }

  restore(restorer: ILayoutRestorer): void {
    void restorer.restore(this.tracker, {
      command: OPEN_COMMAND,
      args: widget => ({ place: widget.content.place as never }),
      name: widget => key(widget.content.place)
    });
  }
}
