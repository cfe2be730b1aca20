/** Gathers everything that the checks judge by, once. */
import { access } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import type { Environment } from '@clusterf/daemon';
import { dockerEndpoint, hostName } from '@clusterf/docker-agent';
import { balancerName, lockHolder, MASQUERADE_SYSCTLS, wantedSysctls } from '@clusterf/ipvs-agent';
import { etcdOptions, parseSourceUrl } from '@clusterf/store';
import { findRunningUp } from '../../up/running.js';
import type { DoctorOptions } from '../command.js';
import type { DockerSettings, Facts, IpvsSettings } from '../facts.js';
import { gatherAgent, gatherIpvsAgent } from './agents.js';
import { gatherEngine } from './engine.js';
import { gatherFirewall } from './firewall.js';
import { gatherKernel } from './kernel.js';
import { gatherMachine } from './machine.js';
import { gatherNetwork } from './network.js';
import { dockerOptions, type IpvsOptions, ipvsOptions } from './settings.js';
import { balancerWrites, gatherEtcd, gatherTree, hostWrites } from './tree.js';

export async function gatherFacts(options: DoctorOptions, env: Environment): Promise<Facts> {
  const up = await findRunningUp();
  const asked = { ipvs: await ipvsOptions(options, env, up), docker: await dockerOptions(options, env, up) };
  const endpoint = dockerEndpoint(asked.docker.options, env);
  const roles = await rolesOf(options, endpoint);
  const ipvs = roles.ipvs ? ipvsSettings(asked.ipvs.options) : undefined;
  const docker = roles.docker
    ? { source: asked.docker.options.configSource, host: hostName(asked.docker.options), endpoint }
    : undefined;
  const kernel = await gatherKernel();
  const machine = await gatherMachine(roles.ipvs ? asked.ipvs.options.stateDir : undefined);
  const ofIpvs = etcdOptions(asked.ipvs.options);
  const ofDocker = etcdOptions(asked.docker.options);
  const sources = ipvs?.sources ?? (docker === undefined ? [] : [docker.source]);
  const etcd = await gatherEtcd([
    ...(ipvs?.sources ?? []).map((url, index) => ({
      url,
      etcd: ofIpvs,
      // The status goes to the first etcd.
      writes: index === firstEtcd(ipvs?.sources ?? [], ofIpvs) ? balancerWrites(ipvs?.balancer ?? machine.name) : [],
    })),
    ...(docker === undefined ? [] : [{ url: docker.source, etcd: ofDocker, writes: hostWrites(docker.host) }]),
  ]);
  const agent = roles.ipvs
    ? await gatherIpvsAgent(up === undefined ? 'clusterf-ipvs' : 'clusterf-up', asked.ipvs.options.httpListen)
    : undefined;
  return {
    ipvs,
    docker,
    up: up === undefined ? undefined : { pid: up.pid, inMemory: up.place.registry === undefined },
    misconfigured: [
      ...(roles.ipvs ? asked.ipvs.misconfigured : []),
      ...(roles.docker ? asked.docker.misconfigured : []),
    ],
    machine,
    kernel,
    network: await gatherNetwork((ipvs?.sysctls ?? []).map(({ name }) => name)),
    firewall: await gatherFirewall(kernel),
    etcd,
    tree: await gatherTree({
      sources,
      memory: up?.memory,
      away: new Set(
        etcd.flatMap(({ url, members }) => (members.every(({ error }) => error !== undefined) ? [url] : [])),
      ),
      etcd: roles.ipvs ? ofIpvs : ofDocker,
      plan: {
        method: asked.ipvs.options.ipvsFwdMethod,
        scheduler: asked.ipvs.options.ipvsSchedName,
        elide: false,
        onlyHost: asked.ipvs.options.onlyHost,
      },
      filterRoutes: asked.ipvs.options.filterRoutes,
      machine: machine.name,
    }),
    engine: docker === undefined ? undefined : await gatherEngine(docker.endpoint, env),
    agents: {
      ipvs: agent,
      docker:
        roles.docker && up === undefined && agent?.both !== true
          ? await gatherAgent('clusterf-docker', asked.docker.options.httpListen)
          : undefined,
    },
  };
}

/** What this machine is, as far as it shows; where nothing shows, it is to be looked at for everything. */
async function rolesOf(
  options: DoctorOptions,
  endpoint: string,
): Promise<{ readonly ipvs: boolean; readonly docker: boolean }> {
  if (options.for !== undefined) return { ipvs: options.for !== 'docker', docker: options.for !== 'ipvs' };
  const docker =
    existsSync(options.dockerConfig) ||
    (endpoint.startsWith('unix://') && existsSync(endpoint.slice('unix://'.length)));
  const balances = await access('/proc/net/ip_vs').then(
    () => true,
    () => false,
  );
  const ipvs = existsSync(options.ipvsConfig) || balances || (await lockHolder()) !== undefined;
  return ipvs || docker ? { ipvs, docker } : { ipvs: true, docker: true };
}

function ipvsSettings(options: IpvsOptions): IpvsSettings {
  const { configSource, onlyHost, vipInterface, profile, masquerade, sysctl } = options;
  const needed = masquerade.length > 0 ? MASQUERADE_SYSCTLS : [];
  return {
    sources: configSource.length > 0 ? configSource : ['etcd:'],
    balancer: balancerName(options),
    onlyHost,
    vipInterface,
    profile,
    sysctls: wantedSysctls(profile, [...needed, ...sysctl]).filter(
      ({ interface: device }) => device === undefined || existsSync(`/proc/sys/net/ipv4/conf/${device}`),
    ),
    masquerade,
  };
}

function firstEtcd(sources: readonly string[], etcd: Parameters<typeof parseSourceUrl>[1]): number {
  return sources.findIndex((url) => parseSourceUrl(url, etcd).type === 'etcd');
}

export type { DockerSettings };
