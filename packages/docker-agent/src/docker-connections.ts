import type http from 'node:http';
import { inspect } from 'node:util';
import { errorCode } from '@clusterf/daemon';

/** Idle connections are kept for the next question, for milliseconds: a TLS handshake costs more than most answers. */
const IDLE = 4_000;

/** How Node's agents are handed a request; its types leave it out. */
type AddRequest = (this: http.Agent, request: http.ClientRequest, options: object) => void;

/** An agent that keeps connections and spares docker-modem, which gets its requests from it, what harms it. */
export function keepingConnections(Agent: new (options: http.AgentOptions) => http.Agent): http.Agent {
  const agent = new Agent({ keepAlive: true, timeout: IDLE });
  const addRequest: AddRequest = Reflect.get(agent, 'addRequest');
  return Object.assign(agent, {
    addRequest(request: http.ClientRequest, options: object) {
      // It would follow a redirection, and let the failure of that end the process.
      request.prependOnceListener('response', ({ headers }) => delete headers.location);
      request.once('error', (error) => {
        if (request.reusedSocket) Object.assign(error, { kept: true });
      });
      addRequest.call(agent, request, options);
    },
    // For its debug log it writes out each request, read or not: with all connections, unless they are hidden.
    [inspect.custom]: () => 'Agent',
  });
}

/** Whether a request failed since the other side closed an idle connection in the moment that it was used again. */
export function cameOfKeeping(error: Error): boolean {
  return 'kept' in error && errorCode(error) === 'ECONNRESET';
}
