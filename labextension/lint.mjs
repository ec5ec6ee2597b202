// Every linter of the panel in one command: types, eslint, prettier, stylelint. `--fix` lets them rewrite.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const fix = process.argv.includes('--fix');
const tools = [
  ['typescript/bin/tsc', '-p', 'tsconfig.test.json'],
  ['eslint/bin/eslint.js', '.', '--max-warnings=0', ...(fix ? ['--fix'] : [])],
  ['prettier/bin/prettier.cjs', fix ? '--write' : '--check', '--log-level=warn', '.'],
  ['stylelint/bin/stylelint.mjs', 'style/**/*.css', ...(fix ? ['--fix'] : [])]
];
const failed = tools.filter(([tool, ...words]) => {
  const done = spawnSync(process.execPath, [path.join(here, 'node_modules', tool), ...words], {
    cwd: here,
    stdio: 'inherit'
  });
  return done.status !== 0;
});
if (failed.length) {
  console.error(`labextension: ${failed.map(([tool]) => tool.split('/')[0]).join(', ')} found something`);
}
process.exit(failed.length ? 1 : 0);
