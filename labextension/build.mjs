// One build of the panel: type check + compile, the prebuilt labextension, the standalone page.
// Starts everything with process.execPath, so it needs neither npm, npx nor a shell on PATH.
// `--development` leaves out minifying; `--only=lab` or `--only=app` builds one half.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const mod = name => path.join(here, 'node_modules', name);
const only = process.argv.find(word => word.startsWith('--only='))?.slice(7);
const dev = process.argv.includes('--development') ? ['--development'] : [];
const node = (...words) => execFileSync(process.execPath, words, { cwd: here, stdio: 'inherit' });

node(mod('typescript/bin/tsc'), ...(dev.length ? ['--sourceMap'] : []));
if (only !== 'app') {
  node(
    mod('@jupyter/builder/lib/build-labextension.js'),
    ...dev,
    '--core-package-file',
    mod('@jupyterlab/core-meta/core.package.json'),
    here
  );
}
if (only !== 'lab') {
  node(path.join(here, 'build-app.cjs'), ...dev);
}
