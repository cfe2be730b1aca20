/**
 * `node compile.cjs BUNDLE`: runs what most starts run, and keeps what V8 compiled for it. A process of its own, since
 * compiled code is only taken where V8 runs with the same settings.
 */
'use strict';
const { writeFileSync } = require('node:fs');
const { load } = require('../start.cjs');

/** Nothing listens there: what reads from etcd is run as far as the first refusal. */
const NOWHERE = 'etcd://127.0.0.1:1/clusterf';

async function warmUp({ main, openSource }) {
  await main(['--version'], {});
  const stop = new AbortController();
  for await (const event of openSource(NOWHERE).events(stop.signal)) {
    if (event.type === 'unavailable') stop.abort();
  }
}

async function run([bundle]) {
  const { exports: commands, script } = load(bundle);
  await warmUp(commands);
  writeFileSync(`${bundle}.compiled`, script.createCachedData());
  process.exit(0);
}

void run(process.argv.slice(2));
