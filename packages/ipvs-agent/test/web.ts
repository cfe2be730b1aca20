/** The service `web` on 10.0.0.1:80, with backends by letter: `a` is 172.17.0.1. As entries, and as the kernel has it. */
export const WEB_KEY = 'tcp 10.0.0.1:80';
export const WEB_FRONTEND = { ipv4: '10.0.0.1', tcp: 80, scheduler: 'rr' };

export function address(name: string): string {
  return `172.17.0.${name.charCodeAt(0) - 'a'.charCodeAt(0) + 1}`;
}

export function backends(names: string): Record<string, unknown> {
  return Object.fromEntries(
    names.split('').map((name) => [`services/web/backends/${name}`, { ipv4: address(name), tcp: 8080 }]),
  );
}

export function web(names: string): Record<string, unknown> {
  return { 'services/web/frontend': WEB_FRONTEND, ...backends(names) };
}

/** What `ipvsadm -Sn` says of it. */
export function lines(names: string): string[] {
  const destinations = names.split('').map((name) => `-a -t 10.0.0.1:80 -r ${address(name)}:8080 -m -w 10`);
  return ['-A -t 10.0.0.1:80 -s rr', ...destinations];
}

/** Operations on destinations of it, such as `removed`. */
export function did(what: string, names: string): string[] {
  return names.split('').map((name) => `${what} destination ${WEB_KEY} -> ${address(name)}:8080`);
}
