import { constants } from 'node:fs';
import { access, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, type Logger, toError } from '@clusterf/daemon';
import { accept, type Problem, type Result, reject } from '@clusterf/model';

/** One kernel setting as it is wanted. */
export interface SysctlSetting {
  /** As sysctl(8) writes it: `net.ipv4.vs.sloppy_tcp`; a dot inside a part is a slash: `net.ipv4.conf.eth0/1.rp_filter`. */
  readonly name: string;
  /** Words are compared, not the white space between them. */
  readonly value: string;
  /** Wanted only where this interface exists. */
  readonly interface?: string;
}

/** What `/status` shows of one. */
export interface SysctlStatus {
  readonly name: string;
  /** What was there before it was set, or is there if it was not; absent if it cannot be read. */
  readonly found?: string;
  readonly wanted: string;
  /** Whether it was set from here. */
  readonly set: boolean;
  readonly problem?: string;
}

export interface SysctlsParts {
  readonly settings: readonly SysctlSetting[];
  /** `/proc/sys`. */
  readonly root: string;
  readonly log: Logger;
}

/**
 * Reads `NAME=VALUE` as sysctl(8) does: where the first separator of the name is a slash, dots belong to its parts;
 * where it is a dot, slashes stand for such dots.
 */
export function parseSysctl(text: string): Result<SysctlSetting> {
  const match = /^([^=\s]+)\s*=\s*(.*\S)\s*$/s.exec(text);
  const [, written = '', value = ''] = match ?? [];
  const parts = partsOf(written);
  // oxlint-disable-next-line no-control-regex -- a line feed would make it two values, and the others mean nothing
  if (parts === undefined || /[\u0000-\u0008\u000a-\u001f\u007f]/.test(text)) {
    return reject('NAME=VALUE such as net.ipv4.vs.sloppy_tcp=1, the name one of those below /proc/sys');
  }
  return accept({ name: parts.map((part) => part.replaceAll('.', '/')).join('.'), value });
}

/** For the option `--sysctl`: what was expected instead, or undefined if it will do. */
export function checkSysctl(text: string): string | undefined {
  const parsed = parseSysctl(text);
  return parsed.ok ? undefined : parsed.message;
}

/** The components of a path below /proc/sys, of which none leads out of it. */
function partsOf(name: string): readonly string[] | undefined {
  const parts =
    /[./]/.exec(name)?.[0] === '/' ? name.split('/') : name.split('.').map((part) => part.replaceAll('/', '.'));
  return parts.length >= 2 && parts.every((part) => !/^\.{0,2}$/.test(part)) ? parts : undefined;
}

/** Kernel settings of this network namespace, kept as wanted. What goes wrong is a problem, never thrown. */
export class Sysctls {
  readonly #parts: SysctlsParts;
  #status: ReadonlyMap<string, SysctlStatus> = new Map();
  /** Those that were seen as wanted: when they are not any more, somebody changed them. */
  readonly #held = new Set<string>();

  constructor(parts: SysctlsParts) {
    this.#parts = parts;
  }

  /** As of the last `reconcile`. */
  get status(): readonly SysctlStatus[] {
    return [...this.#status.values()];
  }

  get problems(): readonly Problem[] {
    return this.status.flatMap(({ name, problem }) =>
      problem === undefined ? [] : [{ source: 'kernel', key: name, message: problem }],
    );
  }

  /** Looks at every setting and sets those that are not as wanted; at the start and with every resync. */
  async reconcile(): Promise<void> {
    const first = this.#status.size === 0;
    const status = new Map<string, SysctlStatus>();
    const settings = await this.#applicable();
    if (first && settings.length > 0) this.#parts.log.info('sysctls found', await this.#found(settings));
    for (const setting of settings) status.set(setting.name, await this.#keep(setting));
    this.#status = status;
  }

  /** What `reconcile` would set, and what it could not, a line each. */
  async rehearse(): Promise<readonly string[]> {
    const lines: string[] = [];
    for (const { name, value } of await this.#applicable()) {
      const found = await this.#read(name);
      if (found.ok && sameWords(found.value, value)) continue;
      const obstacle = found.ok ? await this.#obstacle(name) : found.message;
      if (obstacle !== undefined) lines.push(`cannot set sysctl: ${name} = ${value}  # ${obstacle}`);
      else if (found.ok) lines.push(`set sysctl: ${name} = ${value}  # was ${found.value}`);
    }
    return lines;
  }

  async #keep({ name, value: wanted }: SysctlSetting): Promise<SysctlStatus> {
    const { log } = this.#parts;
    const before = this.#status.get(name);
    const read = await this.#read(name);
    if (!read.ok)
      return { name, wanted, set: before?.set ?? false, problem: `${read.message}; wanted ${quote(wanted)}` };
    const found = read.value;
    if (sameWords(found, wanted)) {
      this.#held.add(name);
      return { name, found: before?.found ?? found, wanted, set: before?.set ?? false };
    }
    const refused = await this.#write(name, wanted);
    const problem = refused && `found ${quote(found)}, wanted ${quote(wanted)}: ${refused}`;
    if (problem !== undefined) return { name, found, wanted, set: false, problem };
    if (this.#held.has(name)) log.warn('somebody changed a sysctl: set again', { sysctl: name, found, value: wanted });
    else log.info('set sysctl', { sysctl: name, found, value: wanted });
    this.#held.add(name);
    return { name, found, wanted, set: true };
  }

  async #read(name: string): Promise<Result<string>> {
    try {
      return accept((await readFile(this.#path(name), 'utf8')).trim().replaceAll(/\s+/g, ' '));
    } catch (error) {
      return reject(await this.#unreadable(name, toError(error)));
    }
  }

  /** @returns why it is not as wanted now, or undefined */
  async #write(name: string, value: string): Promise<string | undefined> {
    try {
      // Nothing is made that is not there, and the kernel gets it in one piece.
      const file = await open(this.#path(name), constants.O_WRONLY | constants.O_TRUNC);
      try {
        await file.writeFile(`${value}\n`);
      } finally {
        await file.close();
      }
    } catch (error) {
      return unwritable(toError(error));
    }
    const now = await this.#read(name);
    if (!now.ok) return now.message;
    return sameWords(now.value, value) ? undefined : `the kernel made ${quote(now.value)} of it`;
  }

  /** Why it could not be written, as far as can be told without writing. */
  async #obstacle(name: string): Promise<string | undefined> {
    try {
      await access(this.#path(name), constants.W_OK);
      return undefined;
    } catch (error) {
      return unwritable(toError(error));
    }
  }

  async #unreadable(name: string, error: Error): Promise<string> {
    const [, device] = /^net\.ipv[46]\.conf\.([^.]+)\./.exec(name) ?? [];
    switch (errorCode(error) ?? '') {
      case 'ENOENT':
      case 'ENOTDIR':
        if (name.startsWith('net.ipv4.vs.') && !(await this.#exists('net.ipv4.vs'))) return 'ip_vs is not loaded';
        if (device !== undefined && !(await this.#exists(`net.ipv4.conf.${device}`)))
          return `there is no interface ${device.replaceAll('/', '.')}`;
        return 'this kernel has no such sysctl';
      case 'EISDIR':
        return 'it is a group of sysctls; expected one of them';
      default:
        return `it cannot be read: ${error.message}`;
    }
  }

  async #applicable(): Promise<readonly SysctlSetting[]> {
    const applicable: SysctlSetting[] = [];
    for (const setting of this.#parts.settings) {
      const { interface: device } = setting;
      if (device === undefined || (await this.#exists(`net.ipv4.conf.${device}`))) applicable.push(setting);
    }
    return applicable;
  }

  async #found(settings: readonly SysctlSetting[]): Promise<Readonly<Record<string, string>>> {
    const found: [string, string][] = [];
    for (const { name } of settings) {
      const read = await this.#read(name);
      if (read.ok) found.push([name, read.value]);
    }
    return Object.fromEntries(found);
  }

  async #exists(name: string): Promise<boolean> {
    try {
      await access(this.#path(name));
      return true;
    } catch {
      return false;
    }
  }

  /** @throws {RangeError} for a name that `parseSysctl` does not take: it might lead anywhere */
  #path(name: string): string {
    const parts = partsOf(name);
    if (parts === undefined) throw new RangeError(`not the name of a sysctl: ${name}`);
    return join(this.#parts.root, ...parts);
  }
}

function unwritable(error: Error): string {
  const code = errorCode(error) ?? '';
  switch (code) {
    case 'EINVAL':
    case 'ERANGE':
      return 'the kernel does not take that value';
    case 'EROFS':
      return '/proc/sys is read-only here, so it has to be set from outside (EROFS)';
    case 'EACCES':
    case 'EPERM':
      return `not permitted (${code})`;
    default:
      return error.message;
  }
}

/** `2 50` is what the kernel writes as `2\t50`, and `0x10` what it writes as `16`. */
function sameWords(one: string, other: string): boolean {
  const [a, b] = [one.trim().split(/\s+/), other.trim().split(/\s+/)];
  return a.length === b.length && a.every((word, i) => word === b[i] || Number(word) === Number(b[i]));
}

function quote(value: string): string {
  return JSON.stringify(value);
}
