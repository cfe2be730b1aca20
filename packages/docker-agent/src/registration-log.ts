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
      case 'claim contested':
        log.warn('another agent has this host name; waiting to see whether it is alive', { holder: event.holder });
        break;
      case 'claimed':
        if (event.inherited > 0) log.info('registrations of the former run taken over', { count: event.inherited });
        else log.debug('the host name is ours', { key: event.key });
        break;
      case 'refused': // A problem for each, which is told of as such.
        log.debug('etcd refuses registrations', { keys: [...event.keys.keys()] });
        break;
      case 'held by another':
        log.debug('somebody else has this key, ours waits', { ...nameOf(event.key), value: event.value });
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
  if (key.kind === 'frontend') return { service: key.service, key: path };
  return key.kind === 'route' ? { route: key.route } : { key: path };
}
