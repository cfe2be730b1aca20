import { formatDuration, type Logger } from '@clusterf/daemon';
import { parseKey } from '@clusterf/model';
import type { RegistrationEvent } from '@clusterf/store';

/** One line for every key written or removed, and for whatever happens to the lease they hang on. */
export function logRegistrations(log: Logger): (event: RegistrationEvent) => void {
  return (event) => {
    switch (event.type) {
      case 'lease granted':
        log.info('lease granted', { lease: event.leaseId, ttl: formatDuration(event.ttl) });
        break;
      case 'lease lost':
        log.warn('lease lost, everything is registered anew', { lease: event.leaseId, error: event.error });
        break;
      case 'put key':
        log.info('registered', { ...nameOf(event.key), value: event.value });
        break;
      case 'removed key':
        log.info('removed', nameOf(event.key));
        break;
      case 'lost key':
        log.warn('registration changed by somebody else, and put right', nameOf(event.key));
        break;
      case 'failed':
        log.warn('registration failed, and is repeated until it succeeds', { error: event.error });
        break;
      case 'recovered':
        log.info('registration works again');
        break;
    }
  };
}

function nameOf(path: string): Record<string, unknown> {
  const key = parseKey(path);
  if (key.kind === 'backend') return { service: key.service, backend: key.backend };
  return key.kind === 'route' ? { route: key.route } : { key: path };
}
