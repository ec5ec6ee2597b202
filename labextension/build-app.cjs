// The standalone page: one script (its parts come when needed) and one style sheet in dist/app.
// Lab's own theme files are its palette, so that both look alike; the dark one applies where the page says so.
const { readFileSync } = require('node:fs');
const path = require('node:path');
const { rspack } = require('@rspack/core');

const dev = process.argv.includes('--development');
const dist = path.join(__dirname, 'dist', 'app');

/** A theme's variables for the pages that carry the attribute. */
function theme(name, selector) {
  const file = require.resolve(`@jupyterlab/theme-${name}-extension/style/variables.css`);
  return readFileSync(file, 'utf-8')
    .replaceAll(':root', selector)
    .replace(/@import[^;]+;/g, '');
}

/** Lab's palette stands before the panel's own styles, in the same file. */
class Palette {
  apply(compiler) {
    compiler.hooks.thisCompilation.tap('Palette', compilation => {
      const stage = rspack.Compilation.PROCESS_ASSETS_STAGE_ADDITIONS;
      compilation.hooks.processAssets.tap({ name: 'Palette', stage }, () => {
        const text = theme('light', ':root') + theme('dark', "[data-jp-theme-light='false']");
        compilation.updateAsset('app.css', old => new rspack.sources.RawSource(text + old.source()));
      });
    });
  }
}

const compiler = rspack({
  mode: dev ? 'development' : 'production',
  devtool: dev ? 'source-map' : false,
  context: __dirname,
  entry: { app: ['./style/index.css', './style/app.css', './lib/app/main.js'] },
  output: { path: dist, filename: '[name].js', chunkFilename: 'app.[name].js', publicPath: 'auto', clean: true },
  optimization: { chunkIds: 'named' },
  experiments: { css: true },
  module: {
    rules: [
      { test: /\.css$/, type: 'css' },
      { test: /\.svg$/, type: 'asset/source' }
    ]
  },
  plugins: [new Palette()],
  performance: false
});

compiler.run((error, stats) => {
  if (error || stats.hasErrors()) {
    console.error(error ?? stats.toString({ colors: false, all: false, errors: true, warnings: true }));
    process.exitCode = 1;
    return;
  }
  for (const { name, size } of stats.toJson({ all: false, assets: true }).assets) {
    console.log(`dist/app/${name}  ${Math.ceil(size / 1024)} KiB`);
  }
  compiler.close(() => undefined);
});
