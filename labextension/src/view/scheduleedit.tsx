/** Change when a schedule fires. */
import * as React from 'react';
import { ScheduleBuilder } from '../dialogs/schedulebuilder';
import { DialogShell } from '../dialogs/shell';
import { formOfSchedule, scheduleBody } from '../model/scheduleform';
import { Refused, sentence } from '../wire/errors';
import type { ISchedule } from '../wire/words';
import { useServices } from './context';

export function ScheduleEdit({ schedule, onClose }: { schedule: ISchedule; onClose: () => void }): JSX.Element {
  const { manager, host } = useServices();
  const { trans } = host;
  const [form, setForm] = React.useState(() => formOfSchedule(schedule));
  const [valid, setValid] = React.useState(false);
  const [busy, setBusy] = React.useState(false);
  const [refused, setRefused] = React.useState<Record<string, string>>({});
  const [general, setGeneral] = React.useState<string | null>(null);
  const save = async () => {
    setBusy(true);
    setGeneral(null);
    try {
      const body = { ...scheduleBody(form), revision: schedule.revision };
      await manager.api.patchSchedule(schedule.id, body);
      onClose();
    } catch (error) {
      setBusy(false);
      if (error instanceof Refused && error.errors.length) {
        setRefused(Object.fromEntries(error.errors.map(each => [each.field, each.message])));
      }
      setGeneral(sentence(error));
    }
  };
  return (
    <DialogShell
      title={trans.__('Change the schedule of %1', schedule.deployment_name)}
      accept={trans.__('Save')}
      onAccept={() => void save()}
      onClose={onClose}
      busy={busy}
      disabled={!valid}
      error={general}
    >
      <ScheduleBuilder
        form={form}
        onChange={change => setForm(old => ({ ...old, ...change }))}
        onValid={setValid}
        refused={refused}
      />
    </DialogShell>
  );
}
