/** Small parts that every view is made of. */
import * as React from 'react';
import { spans } from '../pure/ansi';
import { pieces, prompts } from '../pure/links';
import type { IProgress } from '../wire/words';
import { useTrans } from './context';
import { Icon, type IconName } from './icons';

interface IButtonProps {
  icon: IconName;
  label: string;
  onClick: (event: React.MouseEvent) => void;
  disabled?: boolean;
  pressed?: boolean;
  /** Show the label beside the icon. */
  wordy?: boolean;
  danger?: boolean;
}

export function IconButton({ icon, label, onClick, disabled, pressed, wordy, danger }: IButtonProps): JSX.Element {
  return (
    <button
      type="button"
      className={`hr-button${wordy ? ' hr-mod-wordy' : ''}${danger ? ' hr-mod-danger' : ''}`}
      title={label}
      aria-label={wordy ? undefined : label}
      aria-pressed={pressed}
      disabled={disabled}
      onClick={onClick}
    >
      <Icon name={icon} />
      {wordy && <span>{label}</span>}
    </button>
  );
}

export function SearchBox(props: {
  value: string;
  placeholder: string;
  onChange: (value: string) => void;
  inputRef?: React.Ref<HTMLInputElement>;
  onKeyDown?: (event: React.KeyboardEvent) => void;
  children?: React.ReactNode;
}): JSX.Element {
  const trans = useTrans();
  return (
    <div className="hr-search" role="search">
      <Icon name="search" />
      <input
        ref={props.inputRef}
        type="text"
        value={props.value}
        placeholder={props.placeholder}
        aria-label={props.placeholder}
        spellCheck={false}
        onChange={event => props.onChange(event.target.value)}
        onKeyDown={event => {
          props.onKeyDown?.(event);
          if (event.key === 'Escape' && props.value) {
            props.onChange('');
            event.stopPropagation();
          }
        }}
      />
      {props.children}
      {props.value && <IconButton icon="close" label={trans.__('Clear')} onClick={() => props.onChange('')} />}
    </div>
  );
}

/** What to do when there is nothing to show. */
export function Empty(props: { title: string; children?: React.ReactNode }): JSX.Element {
  return (
    <div className="hr-empty">
      <p className="hr-empty-title">{props.title}</p>
      {props.children && <div className="hr-empty-body">{props.children}</div>}
    </div>
  );
}

/** What went wrong, and the way on. */
export function Problem(props: { message: string; onRetry?: () => void }): JSX.Element {
  const trans = useTrans();
  return (
    <div className="hr-problem" role="alert">
      <span>{props.message}</span>
      {props.onRetry && (
        <button type="button" className="hr-link" onClick={props.onRetry}>
          {trans.__('Try again')}
        </button>
      )}
    </div>
  );
}

export function Loading(): JSX.Element {
  const trans = useTrans();
  return (
    <div className="hr-loading" role="status">
      {trans.__('Loading…')}
    </div>
  );
}

export function ProgressBar({ progress, label }: { progress: IProgress; label: string }): JSX.Element {
  const part = progress.total > 0 ? Math.min(1, progress.done / progress.total) : 0;
  return (
    <div
      className="hr-progress"
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={progress.total}
      aria-valuenow={progress.done}
    >
      <div className="hr-progress-done" style={{ width: `${part * 100}%` }} />
    </div>
  );
}

/** How a traceback's prompt leads to its cell: what a click does, null where it is not known which cell that is. */
export const CellLinks = React.createContext<((prompt: number) => (() => void) | null) | null>(null);

function Prompts({ text }: { text: string }): JSX.Element {
  const links = React.useContext(CellLinks);
  const trans = useTrans();
  if (!links) {
    return <>{text}</>;
  }
  return (
    <>
      {prompts(text).map((piece, at) => {
        const open = piece.prompt === null ? null : links(piece.prompt);
        return open ? (
          <button
            key={at}
            type="button"
            className="hr-link hr-celllink"
            title={trans.__('Show this cell')}
            onClick={open}
          >
            {piece.text}
          </button>
        ) : (
          piece.text
        );
      })}
    </>
  );
}

/** Text that may hold addresses; only web and mail addresses become links, and prompts of known cells. */
export function LinkedText({ text }: { text: string }): JSX.Element {
  return (
    <>
      {pieces(text).map((piece, at) =>
        piece.url ? (
          <a key={at} href={piece.url} target="_blank" rel="noopener noreferrer">
            {piece.text}
          </a>
        ) : (
          <Prompts key={at} text={piece.text} />
        )
      )}
    </>
  );
}

/** Text with terminal colours. */
export const AnsiText = React.memo(function AnsiText({ text, links }: { text: string; links?: boolean }) {
  return (
    <>
      {spans(text).map((span, at) => {
        const inner = links ? <LinkedText text={span.text} /> : span.text;
        return span.classes ? (
          <span key={at} className={span.classes}>
            {inner}
          </span>
        ) : (
          <React.Fragment key={at}>{inner}</React.Fragment>
        );
      })}
    </>
  );
});

/** A section with a heading that folds. */
export function Section(props: {
  title: string;
  count?: number | string;
  open: boolean;
  onToggle: () => void;
  actions?: React.ReactNode;
  children: React.ReactNode;
  className?: string;
}): JSX.Element {
  const id = React.useId();
  return (
    <section className={`hr-section ${props.className ?? ''}${props.open ? ' hr-mod-open' : ''}`}>
      <header className="hr-section-header">
        <h2>
          <button type="button" aria-expanded={props.open} aria-controls={id} onClick={props.onToggle}>
            <Icon name={props.open ? 'down' : 'right'} />
            <span>{props.title}</span>
            {props.count !== undefined && <span className="hr-count">{props.count}</span>}
          </button>
        </h2>
        {props.actions}
      </header>
      <div id={id} className="hr-section-body" hidden={!props.open}>
        {props.open && props.children}
      </div>
    </section>
  );
}

/** Tabs in a row, with the arrow keys as ARIA's pattern has them. */
export function Tabs(props: {
  label: string;
  tabs: { id: string; label: string; count?: number }[];
  current: string;
  onChange: (id: string) => void;
  idPrefix: string;
}): JSX.Element {
  const list = React.useRef<HTMLDivElement>(null);
  const move = (event: React.KeyboardEvent) => {
    const at = props.tabs.findIndex(tab => tab.id === props.current);
    const last = props.tabs.length - 1;
    const next = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at ? at - 1 : last, Home: 0, End: last }[event.key];
    if (next !== undefined) {
      event.preventDefault();
      props.onChange(props.tabs[next].id);
      (list.current?.children[next] as HTMLElement | undefined)?.focus();
    }
  };
  return (
    <div className="hr-tabs" role="tablist" aria-label={props.label} ref={list} onKeyDown={move}>
      {props.tabs.map(tab => (
        <button
          key={tab.id}
          id={`${props.idPrefix}-tab-${tab.id}`}
          type="button"
          role="tab"
          aria-selected={tab.id === props.current}
          aria-controls={`${props.idPrefix}-panel`}
          tabIndex={tab.id === props.current ? 0 : -1}
          onClick={() => props.onChange(tab.id)}
        >
          {tab.label}
          {!!tab.count && <span className="hr-count">{tab.count}</span>}
        </button>
      ))}
    </div>
  );
}

/** Copy to the clipboard and say so for a moment. */
export function CopyButton({ text, label }: { text: () => string; label: string }): JSX.Element {
  const trans = useTrans();
  const [done, setDone] = React.useState(false);
  React.useEffect(() => {
    if (done) {
      const timer = window.setTimeout(() => setDone(false), 1500);
      return () => window.clearTimeout(timer);
    }
    return undefined;
  }, [done]);
  return (
    <IconButton
      icon={done ? 'check' : 'copy'}
      label={done ? trans.__('Copied') : label}
      onClick={() => void navigator.clipboard?.writeText(text()).then(() => setDone(true))}
    />
  );
}
