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
  const form = useNotebookForm(request);
  const accept = () =>
    void form.submit(async body => {
      const run = request.rerun
        ? await manager.api.act(request.rerun.id, 'rerun', { parameters: body.parameters })
        : await manager.api.start(body);
      notices.started(run);
      onClose();
      host.open({ page: 'run', id: run.id });
    });
  return (
    <DialogShell
      title={
        request.rerun ? trans.__('Run %1 again', fileName(request.path)) : trans.__('Run %1', fileName(request.path))
      }
      accept={trans.__('Run')}
      onAccept={accept}
      onClose={onClose}
      busy={form.busy}
      disabled={!form.valid}
      error={form.general}
    >
      <Banner />
      {!request.rerun && <DialogKernelNotice form={form} />}
      <ParameterFields form={form} />
      {!request.rerun && <OptionFields form={form} />}
    </DialogShell>
  );
}
