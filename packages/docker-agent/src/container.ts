/** What the agent knows of Docker's side, free of Docker's API types. */
import type { Protocol } from '@clusterf/model';

/** `stopping` is Podman's: told to stop, and not ended yet. Docker shows that nowhere. */
export type ContainerStatus =
  | 'created'
  | 'running'
  | 'paused'
  | 'stopping'
  | 'restarting'
  | 'removing'
  | 'exited'
  | 'dead';

/** `none` = the image and the container state no HEALTHCHECK. */
export type Health = 'none' | 'starting' | 'healthy' | 'unhealthy';

/** A container's end on one Docker network. */
export interface Attachment {
  readonly network: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
}

/** A port of the host that Docker forwards to one of the container's. */
export interface PublishedPort {
  readonly protocol: Protocol;
  /** The container's. */
  readonly port: number;
  /** The host's addresses it is open on: `0.0.0.0`, `::`, one of them, or empty for all of both families. */
  readonly hostIp: string;
  readonly hostPort: number;
}

export interface ContainerState {
  /** Full, 64 hexadecimal digits. */
  readonly id: string;
  /** Without the slash that Docker puts before it. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly status: ContainerStatus;
  readonly health: Health;
  /** Docker's clock, in milliseconds since 1970, as are the times of its events. */
  readonly createdAt: number;
  readonly startedAt: number;
  /** Number of the signal that asks it to stop. */
  readonly stopSignal: number;
  /** What it was created on: `default`, a network's name, `host`, `none` or `container:<full id>`. */
  readonly networkMode: string;
  readonly attachments: readonly Attachment[];
  readonly published: readonly PublishedPort[];
  /** `80/tcp`: what the image EXPOSEs, or the container exposes or publishes. */
  readonly exposed: readonly string[];
}

/** Only the subnets interest us: they become routes. */
export interface NetworkState {
  readonly name: string;
  /** CIDR, as Docker writes them. */
  readonly subnets: readonly string[];
}

/** Docker's side of the world, complete: what is missing is gone. */
export interface DockerView {
  /** Labelled containers that run or are paused, and have done so for `--min-uptime`. */
  readonly containers: readonly ContainerState[];
  /** Others that run, above all those whose network one of these uses, and theirs in turn ({@link networkOwnersOf}). */
  readonly others: readonly ContainerState[];
  /** Ids of those that have been told to stop. */
  readonly draining: ReadonlySet<string>;
  /** Those asked for, as far as they exist. */
  readonly networks: readonly NetworkState[];
}

/**
 * Something happened; what, one has to ask. Only a `kill` says by itself what no inspect would tell: that the
 * container has been asked to stop.
 */
export type DockerEvent =
  | {
      readonly type: 'container';
      readonly action: string;
      readonly id: string;
      readonly labels: Readonly<Record<string, string>>;
      readonly time: number;
      /** With `kill`: the signal's number. */
      readonly signal?: number;
    }
  | {
      readonly type: 'network';
      readonly action: string;
      readonly time: number;
      /** With `connect` and `disconnect`: the container's id. */
      readonly container?: string;
    };

/** Docker, as far as the agent asks it anything. Every call rejects when its signal aborts. */
export interface Engine {
  /**
   * Resolves when Docker has accepted the subscription; the events end by an error or by the end of the stream.
   *
   * @param since Docker's time from which on events are wanted, as far as it remembers them
   */
  subscribe(since: number, signal: AbortSignal): Promise<AsyncIterable<DockerEvent>>;
  /** What Docker remembers of a time gone by, at once, and what its clock says now, exact to the second before. */
  recall(since: number, until: number, signal: AbortSignal): Promise<Recollection>;
  /** Ids and labels of the containers that run or are paused. */
  list(signal: AbortSignal): Promise<readonly Pick<ContainerState, 'id' | 'labels'>[]>;
  /** Undefined if there is no such container. */
  inspect(id: string, signal: AbortSignal): Promise<ContainerState | undefined>;
  /** Those of these networks that exist. */
  networks(names: readonly string[], signal: AbortSignal): Promise<readonly NetworkState[]>;
}

export interface Recollection {
  readonly events: readonly DockerEvent[];
  /** Milliseconds since 1970, by Docker's clock. */
  readonly now: number;
}
