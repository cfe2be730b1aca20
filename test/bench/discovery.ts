/** `npm run bench -- discovery`: how fast and how sparing containers are found and registered. Prints Markdown. */
import { startDockerd } from '../fixtures/dockerd.js';
import { prepareEnvironment } from './discovery/environment.js';
import { measureReal } from './discovery/real.js';
import { record } from './discovery/recording.js';
import { measureStorm } from './discovery/storm.js';

const words = process.argv.slice(2);
await using environment = await prepareEnvironment({ quick: words.includes('--quick') });
await using dockerd = await startDockerd();
const recording = await record(dockerd);
if (!words.includes('storm')) {
  process.stdout.write(`### With a real dockerd\n\n${await measureReal(environment, dockerd)}\n\n`);
}
process.stdout.write(`### With a recorded one\n\n${await measureStorm(environment, recording)}\n\n`);
