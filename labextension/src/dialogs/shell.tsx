/** A modal dialog that looks like Lab's: the browser's own element keeps the focus inside and closes on Escape. */
import * as React from 'react';
import { useTrans } from '../view/context';
import { IconButton } from '../view/basics';

interface IShellProps {
  title: string;
  /** The button that does it; without one the dialog only shows something. */
  accept?: string;
  onAccept?: () => void;
  onClose: () => void;
  busy?: boolean;
  disabled?: boolean;
  danger?: boolean;
  error?: string | null;
  wide?: boolean;
  /** It holds a form of its own: forms cannot stand in each other. */
  inner?: boolean;
  children: React.ReactNode;
}

function Frame(props: {
  inner: boolean;
  onSubmit: (event: React.FormEvent) => void;
  children: React.ReactNode;
}): JSX.Element {
  return props.inner ? (
    <div className="hr-dialog-frame">{props.children}</div>
  ) : (
    <form className="hr-dialog-frame" method="dialog" noValidate onSubmit={props.onSubmit}>
      {props.children}
    </form>
  );
}

export function DialogShell(props: IShellProps): JSX.Element {
  const trans = useTrans();
  const dialog = React.useRef<HTMLDialogElement>(null);
  const title = React.useId();
  React.useEffect(() => {
    const element = dialog.current!;
    const before = document.activeElement as HTMLElement | null;
    element.showModal();
    // The browser would choose the button that closes: the answer, or the first field once it is there, is nearer.
    const nearest = props.danger || !props.accept ? '.hr-dialog-button' : 'footer .hr-mod-accept';
    element.querySelector<HTMLElement>(nearest)?.focus();
    return () => {
      element.close();
      before?.focus?.();
    };
    // Only once: later answers must not move the focus.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, []);
  // The first field is there once the answer can be given: a focus that nobody has moved goes to it.
  React.useEffect(() => {
    const element = dialog.current!;
    const close = element.querySelector('header button');
    if (!props.disabled && !props.danger && document.activeElement === close) {
      const fields = element.querySelectorAll<HTMLElement>('.hr-field input, .hr-field select, footer .hr-mod-accept');
      // What is folded away cannot take it.
      [...fields].find(field => !field.closest('details:not([open])'))?.focus();
    }
  }, [props.disabled, props.danger]);
  return (
    <dialog
      ref={dialog}
      className={`hr-dialog hr-root${props.wide ? ' hr-mod-wide' : ''}`}
      aria-labelledby={title}
      onCancel={event => {
        event.preventDefault();
        props.onClose();
      }}
      // Lab's shortcuts must not act on what lies behind.
      onKeyDown={event => event.stopPropagation()}
    >
      <Frame
        inner={!!props.inner}
        onSubmit={event => {
          event.preventDefault();
          if (!props.busy && !props.disabled) {
            props.onAccept?.();
          }
        }}
      >
        <header>
          <h2 id={title}>{props.title}</h2>
          <IconButton icon="close" label={trans.__('Close')} onClick={props.onClose} />
        </header>
        <div className="hr-dialog-body">{props.children}</div>
        <footer>
          {props.error && (
            <p className="hr-dialog-error" role="alert">
              {props.error}
            </p>
          )}
          <button type="button" className="hr-dialog-button" onClick={props.onClose}>
            {props.accept ? trans.__('Cancel') : trans.__('Close')}
          </button>
          {props.accept && (
            <button
              type="submit"
              className={`hr-dialog-button hr-mod-accept${props.danger ? ' hr-mod-warn' : ''}`}
              disabled={props.busy || props.disabled}
            >
              {props.accept}
            </button>
          )}
        </footer>
      </Frame>
    </dialog>
  );
}
