/** The icons that Lab itself draws: side bar, tabs, menus, launcher. */
import { LabIcon } from '@jupyterlab/ui-components';
import flow from '../../style/icons/flow.svg';
import headrace from '../../style/icons/headrace.svg';
import run from '../../style/icons/run.svg';
import schedule from '../../style/icons/schedule.svg';

export const headraceIcon = new LabIcon({ name: 'headrace:headrace', svgstr: headrace });
export const flowIcon = new LabIcon({ name: 'headrace:flow', svgstr: flow });
export const runIcon = new LabIcon({ name: 'headrace:run', svgstr: run });
export const scheduleIcon = new LabIcon({ name: 'headrace:schedule', svgstr: schedule });
