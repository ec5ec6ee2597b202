/** “Run with parameters…”: a form made of the notebook's own parameters. */
import * as React from 'react';
import { fileName } from '../pure/runname';
import type { IDialogRequest } from '../tokens';
import { Banner } from '../view/banner';
import { useServices } from '../view/context';
import { useNotebookForm } from './notebookform';
import { ParameterFields } from './notebookfields';
import { DialogKernelNotice, OptionFields } from './optionfields';
import { DialogShell } from './shell';

export function RunDialog({ request, onClose }: { request: IDialogRequest; onClose: () => void }): JSX.Element {
  const { manager, host, notices } = useServices();
  const { trans } = host;
  const { again } = request;
  const form = useNotebookForm(request);
  const name = fileName(request.path);
  const titles = {
    start: trans.__('Run %1', name),
    rerun: trans.__('Run %1 again', name),
    resume: trans.__('Continue %1', name)
  };
  const accept = () =>
    void form.submit(async body => {
      const run = again
        ? await manager.api.act(again.run.id, again.verb, { parameters: body.parameters })
        : await manager.api.start(body);
      notices.started(run);
      onClose();
      host.open({ page: 'run', id: run.id });
    });
  return (
    <DialogShell
      title={titles[again?.verb ?? 'start']}
      accept={again?.verb === 'resume' ? trans.__('Continue') : trans.__('Run')}
      onAccept={accept}
      onClose={onClose}
      busy={form.busy}
      disabled={!form.valid}
      error={form.general}
    >
      <Banner />
      {!again && <DialogKernelNotice form={form} />}
      {again?.verb === 'resume' && <p>{trans.__('Secrets are not kept: they have to be given again.')}</p>}
      <ParameterFields form={form} />
      {!again && <OptionFields form={form} />}
    </DialogShell>
  );
}
