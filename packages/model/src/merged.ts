import { isDeepStrictEqual } from 'node:util';
import type { Content } from './entry.js';
import type { Backend, Config, Drain, Frontend, Route, SyncSettings } from './types.js';

/** {@link Service}, as it is built up. */
interface GrowingService {
  frontend?: Frontend;
  readonly backends: Map<string, Backend>;
}

/** {@link Config}, as it is built up. */
interface GrowingConfig {
  readonly services: Map<string, GrowingService>;
  readonly routes: Map<string, Route>;
  sync?: SyncSettings;
  readonly balancerSync: Map<string, SyncSettings>;
  readonly drains: {
    readonly hosts: Map<string, Drain>;
    readonly backends: Map<string, Drain>;
    readonly balancers: Map<string, Drain>;
  };
}

/** The merged configuration and which key put what into it. */
export class MergedConfig {
  readonly #contents = new Map<string, Content>();
  readonly #config: GrowingConfig = {
    services: new Map(),
    routes: new Map(),
    balancerSync: new Map(),
    drains: { hosts: new Map(), backends: new Map(), balancers: new Map() },
  };

  get config(): Config {
    return this.#config;
  }

  /** Puts a key's content in place, or takes it away; gives what was put or taken, if that made a difference. */
  set(path: string, content: Content | undefined): Content | undefined {
    const previous = this.#contents.get(path);
    if (isDeepStrictEqual(previous, content)) {
      return undefined;
    }
    if (content !== undefined) {
      this.#contents.set(path, content);
      this.#put(content);
    } else if (previous !== undefined) {
      this.#contents.delete(path);
      this.#take(previous);
    }
    return content ?? previous;
  }

  #put(content: Content): void {
    switch (content.kind) {
      case 'frontend':
        this.#service(content.service).frontend = content.value;
        break;
      case 'backend':
        this.#service(content.service).backends.set(content.backend, content.value);
        break;
      case 'route':
        this.#config.routes.set(content.route, content.value);
        break;
      case 'sync':
        this.#config.sync = content.value;
        break;
      case 'balancerSync':
        this.#config.balancerSync.set(content.balancer, content.value);
        break;
      case 'hostDrain':
        this.#config.drains.hosts.set(content.host, content.value);
        break;
      case 'backendDrain':
        this.#config.drains.backends.set(backendName(content), content.value);
        break;
      case 'balancerDrain':
        this.#config.drains.balancers.set(content.balancer, content.value);
        break;
    }
  }

  #take(content: Content): void {
    switch (content.kind) {
      case 'frontend':
        delete this.#service(content.service).frontend;
        this.#prune(content.service);
        break;
      case 'backend':
        this.#service(content.service).backends.delete(content.backend);
        this.#prune(content.service);
        break;
      case 'route':
        this.#config.routes.delete(content.route);
        break;
      case 'sync':
        delete this.#config.sync;
        break;
      case 'balancerSync':
        this.#config.balancerSync.delete(content.balancer);
        break;
      case 'hostDrain':
        this.#config.drains.hosts.delete(content.host);
        break;
      case 'backendDrain':
        this.#config.drains.backends.delete(backendName(content));
        break;
      case 'balancerDrain':
        this.#config.drains.balancers.delete(content.balancer);
        break;
    }
  }

  #service(name: string): GrowingService {
    const service = this.#config.services.get(name) ?? { backends: new Map() };
    this.#config.services.set(name, service);
    return service;
  }

  /** A service is there as long as anything is said of it. */
  #prune(name: string): void {
    const service = this.#config.services.get(name);
    if (service?.frontend === undefined && service?.backends.size === 0) {
      this.#config.services.delete(name);
    }
  }
}

function backendName({ service, backend }: { readonly service: string; readonly backend: string }): string {
  return `${service}/${backend}`;
}
