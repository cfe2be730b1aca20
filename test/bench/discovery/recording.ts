/** What a real dockerd says of one container, as the agent asks: answers and events, word for word. */
import type { Dockerd } from '../../fixtures/dockerd.js';
import { until } from '../../fixtures/until.js';
import { Crowd } from './crowd.js';
import type { EventLine, Json } from './docker-api.js';

export interface Recording {
  /** Its element of GET /containers/json. */
  readonly listed: Json;
  /** GET /containers/ID/json while it runs, and after it was killed. */
  readonly running: Json;
  readonly exited: Json;
  /** Those of a kill and a start, of the kinds that the agent asks for. */
  readonly ending: readonly EventLine[];
  readonly starting: readonly EventLine[];
}

export async function record(dockerd: Dockerd): Promise<Recording> {
  const crowd = await Crowd.create(dockerd, 1);
  const { api } = crowd;
  const [id = ''] = crowd.ids;
  const inspect = () => api.call('GET', `/containers/${id}/json`);
  const events: EventLine[] = [];
  const over = new AbortController();
  await api.follow((event) => events.push(event), over.signal);
  const heard = async (action: string) =>
    await until(`${action} was told`, () => events.some(({ Action }) => Action === action));

  await crowd.start(id);
  await heard('start');
  const starting = events.splice(0);
  const running = await inspect();
  const listed = (await api.call<readonly Json[]>('GET', '/containers/json')).find((each) => each['Id'] === id) ?? {};
  await crowd.kill(id);
  await heard('disconnect');
  await heard('die');
  over.abort();
  return { listed, running, exited: await inspect(), ending: events, starting };
}
