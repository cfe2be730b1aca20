import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SCRIPTS = join(dirname(fileURLToPath(import.meta.url)), 'debian');

const DESCRIPTION = `\
Label a container and it is published on a virtual IP
 A docker-agent on every Docker host turns the labels of containers into leased
 registrations in etcd. An ipvs-agent on every balancer streams those into the
 kernel's IPVS table: virtual services, destinations, virtual addresses and
 connection-sync daemons. Packets never touch user space, and the kernel
 forwards on if an agent, etcd or Docker goes away.
 .
 This package has both agents, with a systemd unit each, and the operator's
 command clusterf. Neither agent is started before it is enabled:
 systemctl enable --now clusterf-docker (or clusterf-ipvs).`;

/** What dpkg reads of the package, as files of its DEBIAN directory. */
export async function controlFiles(files, about) {
  const scripts = ['postinst', 'postrm', 'prerm'];
  return [
    { path: 'control', data: control(files, about) },
    {
      path: 'conffiles',
      data: lines(files.filter(({ path }) => path.startsWith('etc/')).map(({ path }) => `/${path}`)),
    },
    { path: 'md5sums', data: lines(files.filter(({ data }) => data !== undefined).map(md5sum)) },
    ...(await Promise.all(
      scripts.map(async (path) => ({ path, data: await readFile(join(SCRIPTS, path)), mode: 0o755 })),
    )),
  ];
}

function control(files, { version, architecture, maintainer }) {
  return lines([
    'Package: clusterf',
    `Version: ${version}`,
    `Architecture: ${architecture}`,
    `Maintainer: ${maintainer}`,
    `Installed-Size: ${installedSize(files)}`,
    // The libraries are the native module's.
    'Depends: adduser, libc6, libgcc-s1, libstdc++6, nodejs (>= 20)',
    'Recommends: ipvsadm, kmod',
    'Suggests: bird2, docker.io | docker-ce, etcd-server, iptables',
    'Section: net',
    'Priority: optional',
    `Description: ${DESCRIPTION}`,
  ]);
}

/** KiB, as Debian's policy counts them: what is not a file is one. */
function installedSize(files) {
  return files.reduce((sum, { data }) => sum + (data === undefined ? 1 : Math.ceil(data.length / 1024)), 0);
}

function md5sum({ path, data }) {
  return `${createHash('md5').update(data).digest('hex')}  ${path}`;
}

function lines(all) {
  return `${all.join('\n')}\n`;
}
