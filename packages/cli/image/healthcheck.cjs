/**
 * Asks the agent that is this container's first process for /healthz, where its options say: exit code 0 and its answer
 * if it is well, else 1. Anything else than an agent is not asked.
 */
'use strict';
const { readFileSync } = require('node:fs');
const { get } = require('node:http');

/** Where those listen that can be asked, unless told otherwise. */
const PORTS = { 'clusterf-ipvs': 9780, 'clusterf-docker': 9781, 'clusterf up': 9780 };
const TIMEOUT_MS = 4000;

const words = readFileSync('/proc/1/cmdline', 'utf8').split('\0');
const command = words.map(commandAt).find((name) => Object.hasOwn(PORTS, name));

if (command === undefined) console.log('no agent runs here: nothing to ask');
else ask(option('http-listen') ?? inFile(option('config')) ?? `127.0.0.1:${PORTS[command]}`);

function commandAt(word, i) {
  const name = word.replace(/^.*\/|\.cjs$/g, '');
  return name === 'clusterf' ? `clusterf ${words[i + 1]}` : name;
}

/** As the agent has it: from the command line, where the last one counts, or from the environment. */
function option(name) {
  const given = words.flatMap((word, i) => {
    if (word === `--${name}`) return [words[i + 1]];
    return word.startsWith(`--${name}=`) ? [word.slice(name.length + 3)] : [];
  });
  return given.at(-1) ?? process.env[`CLUSTERF_${name.replaceAll('-', '_').toUpperCase()}`];
}

function inFile(file) {
  return file === undefined ? undefined : JSON.parse(readFileSync(file, 'utf8'))['http-listen'];
}

function ask(listen) {
  if (listen === 'none') return console.log('not asked: --http-listen none');
  const [, host, port] = /^\[?(.*?)\]?:(\d+)$/.exec(listen);
  const request = get({ host: reachable(host), port, path: '/healthz', timeout: TIMEOUT_MS }, (response) => {
    response.pipe(process.stdout);
    process.exitCode = response.statusCode === 200 ? 0 : 1;
  });
  request.on('timeout', () => request.destroy(new Error(`no answer in ${TIMEOUT_MS} ms`)));
  request.on('error', ({ message }) => {
    console.log(`${listen}: ${message}`);
    process.exitCode = 1;
  });
}

/** What listens at every address is reached at loopback. */
function reachable(host) {
  return host === '' || host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
}
