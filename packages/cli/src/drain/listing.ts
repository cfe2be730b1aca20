/** What is drained, for `clusterf drain` without operands. Pure. */
import { asData, asTable } from '../output.js';
import { backendsOf, type Known, type Target } from './known.js';
import { connectionsOf } from './progress.js';

interface Row extends Target {
  readonly since?: string;
  readonly reason?: string;
  /** Of the tree that are drained by this; absent for a balancer. */
  readonly backends?: number;
  /** Active ones that are left, as balancers count them; absent if they cannot say. */
  readonly activeConnections?: number;
}

export function listing(known: Known, format: 'table' | 'json' | 'yaml'): string {
  const rows = known.drained.map((each) => row(each, known));
  if (format !== 'table') return asData(rows, format);
  const columns = ['KIND', 'NAME', 'SINCE', 'BACKENDS', 'CONNECTIONS', 'REASON'];
  return asTable(
    columns,
    rows.map(({ kind, name, since, backends, activeConnections, reason }) =>
      [kind, name, since, backends, activeConnections, reason].map((cell) => String(cell ?? '-')),
    ),
  );
}

function row({ kind, name, drain }: Known['drained'][number], known: Known): Row {
  const backends = backendsOf({ kind, name }, known.config);
  const activeConnections = kind === 'balancer' ? undefined : connectionsOf({ kind, name, drain }, known.balancers);
  return {
    kind,
    name,
    ...drain,
    ...(backends !== undefined && { backends }),
    ...(activeConnections !== undefined && { activeConnections }),
  };
}
