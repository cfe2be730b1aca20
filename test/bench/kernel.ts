/** `npm run bench -- kernel`: how fast and how sparing the balancer's agent programs the kernel. Prints Markdown. */
import { measureFilling } from './kernel/fill.js';
import { measureChanges } from './kernel/change.js';
import { type Environment, prepareEnvironment } from './kernel/environment.js';
import { measureRest } from './kernel/rest.js';
import { measureRestart } from './kernel/restart.js';
import { measureStorm } from './kernel/storm.js';

interface Part {
  readonly title: string;
  readonly measure: (environment: Environment) => Promise<string>;
}

const PARTS: Readonly<Record<string, Part>> = {
  fill: { title: 'A table into an empty kernel', measure: measureFilling },
  change: { title: 'One destination, while the table is large', measure: measureChanges },
  restart: { title: 'A restart on an unchanged tree', measure: measureRestart },
  storm: { title: 'A storm of changes', measure: measureStorm },
  rest: { title: 'Memory and idle time', measure: measureRest },
};

const words = process.argv.slice(2);
const wanted = words.filter((word) => word in PARTS);
await using environment = await prepareEnvironment({ quick: words.includes('--quick') });
for (const [name, { title, measure }] of Object.entries(PARTS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const began = performance.now();
  const report = await measure(environment);
  environment.say(`${name}: ${Math.round((performance.now() - began) / 1000)} s`);
  process.stdout.write(`### ${title}\n\n${report}\n\n`);
}
