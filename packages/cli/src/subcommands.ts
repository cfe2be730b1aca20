import type { Subcommand } from './subcommand.js';

/** `clusterf NAME …`, in the order of the help; each is loaded only when it is needed. */
export const SUBCOMMANDS: Readonly<Record<string, () => Promise<Subcommand>>> = {
  up: async () => await import('./up/index.js'),
  get: async () => await import('./get.js'),
  set: async () => await import('./set.js'),
  rm: async () => await import('./rm.js'),
  apply: async () => await import('./apply.js'),
  validate: async () => await import('./validate.js'),
  watch: async () => await import('./watch.js'),
  status: async () => await import('./status/index.js'),
  top: async () => await import('./top/index.js'),
  plan: async () => await import('./plan/index.js'),
  explain: async () => await import('./explain/index.js'),
  doctor: async () => await import('./doctor/index.js'),
  import: async () => await import('./import/index.js'),
  drain: async () => await import('./drain/index.js'),
  undrain: async () => await import('./drain/undrain.js'),
  'etcd-roles': async () => await import('./etcd-roles.js'),
  completion: async () => (await import('./completion.js')).completion(SUBCOMMANDS, OTHERS),
};

/** The commands beside it, whose words are completed too. */
const OTHERS: Readonly<Record<string, () => Promise<Subcommand>>> = {
  'clusterf-docker': async () => await import('@clusterf/docker-agent'),
  'clusterf-ipvs': async () => await import('@clusterf/ipvs-agent'),
  'clusterf-config': async () => await import('./config.js'),
};
