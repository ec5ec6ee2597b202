/** “Schedule…”: when a notebook runs by itself, and with which parameters. */
import * as React from 'react';
import { newSchedule, scheduleBody } from '../model/scheduleform';
import { fileName } from '../pure/runname';
import type { IDialogRequest } from '../tokens';
import { Banner } from '../view/banner';
import { useServices } from '../view/context';
import { Field } from './fields';
import { changedValues, useNotebookForm } from './notebookform';
import { ParameterFields } from './notebookfields';
import { NotifyFields } from './notifyfields';
import { DialogKernelNotice, OptionFields, PolicyFields } from './optionfields';
import { ScheduleBuilder } from './schedulebuilder';
import { DialogShell } from './shell';

export function ScheduleDialog({ request, onClose }: { request: IDialogRequest; onClose: () => void }): JSX.Element {
  const { manager, host } = useServices();
  const { trans } = host;
  const form = useNotebookForm(request);
  const [when, setWhen] = React.useState(newSchedule);
  const [valid, setValid] = React.useState(false);
  // Somebody else's notebook would run by itself: who goes on has been told, and agrees to what it is now.
  const strange = form.inspection?.trusted === false;
  const changed = Object.entries(changedValues(form.inspection?.parameters ?? [], form.parsed));
  const accept = () =>
    void form.submit(async body => {
      const { notebook, name, parameters, ...rest } = body;
      const agreed = strange ? { agreed: form.inspection?.sha256 } : {};
      const schedule = { ...scheduleBody(when), parameters };
      if (request.deploymentId) {
        await manager.api.createSchedule({ deployment_id: request.deploymentId, ...schedule });
        onClose();
        return;
      }
      // What a schedule does not say itself belongs to the deployment behind it.
      const sentence = Object.keys(rest).length
        ? await deploy({ notebook, name: name ?? fileName(request.path), ...rest, ...agreed, schedules: [schedule] })
        : (await manager.api.createSchedule({ notebook, ...(name ? { name } : {}), ...agreed, ...schedule })).sentence;
      onClose();
      host.notify('success', trans.__('%1 is scheduled: %2', fileName(request.path), sentence));
      // At the first schedule: whether it fires with Lab closed, and how it does after the computer was off.
      if ((await manager.api.schedules()).length === 1) {
        const { why } = await manager.api.workers();
        host.notify('info', why ?? '');
      }
    });
  const deploy = async (body: Record<string, unknown>) => {
    const deployment = await manager.api.createDeployment(body);
    return deployment.schedules[0]?.sentence ?? deployment.name;
  };
  return (
    <DialogShell
      title={trans.__('Schedule %1', fileName(request.path))}
      accept={trans.__('Schedule')}
      onAccept={accept}
      onClose={onClose}
      busy={form.busy}
      disabled={!form.valid || !valid}
      error={form.general}
      wide
    >
      <Banner />
      {!request.deploymentId && <DialogKernelNotice form={form} />}
      {strange && !request.deploymentId && (
        <p className="hr-banner" role="note">
          {trans.__(
            'Jupyter does not trust this notebook: it comes from elsewhere. Scheduled, it runs by itself as you: read it first.'
          )}
        </p>
      )}
      <div className="hr-columns">
        <div>
          <ScheduleBuilder
            form={when}
            onChange={change => setWhen(old => ({ ...old, ...change }))}
            onValid={setValid}
            refused={form.refused}
            filled={{
              ...(request.deploymentId ? { deployment_id: request.deploymentId } : { notebook: request.path }),
              ...(form.options.outputPath.trim() ? { output_path: form.options.outputPath.trim() } : {}),
              parameters: Object.fromEntries(changed.filter(([, value]) => String(value).includes('{')))
            }}
          />
          {!request.deploymentId && (
            <NotifyFields
              rules={form.options.notify}
              error={form.refused.notify ?? null}
              onChange={notify => form.setOption({ notify })}
            />
          )}
        </div>
        <div>
          <ParameterFields form={form} />
          <Field label={trans.__('Name')} hint={trans.__('Empty: the notebook’s name.')} error={form.refused.name}>
            {ids => (
              <input
                {...ids}
                type="text"
                value={form.options.name}
                onChange={event => form.setOption({ name: event.target.value })}
              />
            )}
          </Field>
          {!request.deploymentId && (
            <>
              <OptionFields form={form} />
              <PolicyFields form={form} />
            </>
          )}
        </div>
      </div>
    </DialogShell>
  );
}
