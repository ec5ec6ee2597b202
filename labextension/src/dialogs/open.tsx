/** Put a dialog on the page and take it away when it is done. */
import '../../style/views.css';
import * as React from 'react';
import { createRoot } from 'react-dom/client';
import type { IDialogRequest, IQuestion, IServices } from '../tokens';
import { ServicesProvider } from '../view/context';
import { AnswerDialog } from './answer';
import { RunDialog } from './run';
import { ScheduleDialog } from './schedule';
import { DialogShell } from './shell';

/** Draw a dialog on the page until it closes itself. */
export function mount(services: IServices, draw: (close: () => void) => JSX.Element): void {
  const place = document.createElement('div');
  document.body.append(place);
  const root = createRoot(place);
  const close = () => {
    root.unmount();
    place.remove();
  };
  root.render(<ServicesProvider value={services}>{draw(close)}</ServicesProvider>);
}

export function openDialog(services: IServices, request: IDialogRequest): void {
  const { run } = request;
  if (request.kind === 'answer') {
    if (run) {
      mount(services, close => <AnswerDialog run={run} onClose={close} />);
    }
    return;
  }
  const Body = request.kind === 'run' ? RunDialog : ScheduleDialog;
  mount(services, close => <Body request={request} onClose={close} />);
}

/** Ask before something that cannot be undone; false if the person does not want it. */
export function ask(services: IServices, question: IQuestion): Promise<boolean> {
  return new Promise(resolve =>
    mount(services, close => {
      const answer = (value: boolean) => {
        close();
        resolve(value);
      };
      return (
        <DialogShell
          title={question.title}
          accept={question.accept}
          danger={question.danger}
          onAccept={() => answer(true)}
          onClose={() => answer(false)}
        >
          <p>{question.body}</p>
        </DialogShell>
      );
    })
  );
}
