/**
 * Starts a command from its bundle: one file with all the modules in it, and V8's compiled code of it beside it. From
 * the packages it would read some 700 files first. CommonJS, since V8 takes compiled code for that alone.
 */
'use strict';
const { readFileSync, statSync } = require('node:fs');
const { createRequire, Module, SourceMap } = require('node:module');
const path = require('node:path');
const { Script } = require('node:vm');

/** In a checkout, `tsc -b` touches these whenever it has written anything; an installation has none of them. */
const COMPILED = ['model', 'store', 'ipvs', 'daemon', 'docker-agent', 'ipvs-agent', 'cli'].map((name) =>
  path.join(__dirname, '..', name, 'tsconfig.tsbuildinfo'),
);

/** Runs `main` of the package, which is what the command's bundle exports too, and exits with its code. */
async function start(command, packageName) {
  // They are for whoever writes the program: an etcd asked by its address would put Node's DEP0123 into the log.
  process.noDeprecation = true;
  const bundle = bundleOf(command);
  const { main } = isCurrent(bundle) ? load(bundle).exports : await import(packageName);
  process.exit(await main(process.argv.slice(2), process.env));
}

function bundleOf(command) {
  return path.join(__dirname, 'bundles', `${command}.cjs`);
}

/** Whether there is a bundle, and nothing has been compiled since it was made: what is run is never stale. */
function isCurrent(bundle) {
  const made = changedAt(bundle);
  return made !== undefined && COMPILED.every((file) => made > (changedAt(file) ?? 0));
}

/** Milliseconds since 1970, undefined if there is no such file. */
function changedAt(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs;
}

/** Runs a bundle. Its `script` can say what code has been compiled, for the next start. */
function load(bundle) {
  mapStackTraces(bundle);
  const source = readFileSync(bundle, 'latin1'); // ASCII, so it need not be decoded.
  const cachedData = compiledCode(bundle);
  const script = new Script(Module.wrap(source), { filename: bundle, ...(cachedData && { cachedData }) });
  const module = { exports: {}, script };
  script.runInThisContext()(module.exports, createRequire(bundle), module, bundle, path.dirname(bundle));
  return module;
}

/** What V8 made of it at build time; another version of V8 does not take it, and compiles as ever. */
function compiledCode(bundle) {
  try {
    return readFileSync(`${bundle}.compiled`);
  } catch {
    return undefined;
  }
}

/** Lets stack traces name the sources. The map is read when the first trace is asked for, which in most runs is never. */
function mapStackTraces(bundle) {
  let map;
  const place = (frame) => {
    const text = String(frame);
    if (frame.getFileName() !== bundle) return text;
    map ??= new SourceMap(JSON.parse(readFileSync(`${bundle}.map`, 'utf8')));
    const { originalSource, originalLine, originalColumn } = map.findEntry(
      frame.getLineNumber() - 1,
      frame.getColumnNumber() - 1,
    );
    if (originalSource === undefined) return text;
    const source = path.join(path.dirname(bundle), originalSource);
    return text.replace(/[^ (]*:\d+:\d+(?=\)?$)/, `${source}:${originalLine + 1}:${originalColumn + 1}`);
  };
  Error.prepareStackTrace = (error, frames) => [error, ...frames.map((frame) => `    at ${place(frame)}`)].join('\n');
}

module.exports = { start, bundleOf, isCurrent, load };
