import { X509Certificate, createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { rootCertificates } from 'node:tls';
import type { Login } from './etcd-authentication.js';
import type { EtcdOptions } from './url.js';

/** A file that an option names cannot be used as it is. The message names both, and never what is in it. */
export class CredentialsError extends Error {
  override readonly name = 'CredentialsError';
  readonly code = 'ERR_CREDENTIALS';
}

export interface TlsCredentials {
  /** As etcd3 takes them. */
  readonly files: { readonly rootCertificate: Buffer; readonly certChain?: Buffer; readonly privateKey?: Buffer };
  /** Of the client certificate: the user that etcd takes us for where we name none, and its last moment. */
  readonly commonName?: string;
  readonly certificateEnds?: Date;
}

/**
 * The files of `--etcd-ca`, `--etcd-cert` and `--etcd-key`.
 *
 * @throws {CredentialsError}
 */
export async function readTlsCredentials({ ca, cert, key }: EtcdOptions): Promise<TlsCredentials> {
  const [root, chain, secret] = await Promise.all([
    readOptional('--etcd-ca', ca),
    readOptional('--etcd-cert', cert),
    readOptional('--etcd-key', key),
  ]);
  if (root !== undefined) readCertificate('--etcd-ca', ca, root);
  const rootCertificate = root ?? Buffer.from(rootCertificates.join('\n'));
  if (chain === undefined || secret === undefined) return { files: { rootCertificate } };
  const certificate = readCertificate('--etcd-cert', cert, chain);
  if (!certificate.checkPrivateKey(readKey(key, secret))) {
    throw new CredentialsError(`--etcd-key ${key}: it is not the key of the certificate in --etcd-cert ${cert}`);
  }
  const [, commonName] = /^CN=(.*)$/m.exec(certificate.subject) ?? [];
  return {
    files: { rootCertificate, certChain: chain, privateKey: secret },
    ...(commonName === undefined ? {} : { commonName }),
    certificateEnds: new Date(certificate.validTo),
  };
}

/**
 * User and password.
 *
 * @throws {CredentialsError}
 */
export async function readLogin({ user, passwordFile }: EtcdOptions): Promise<Login | undefined> {
  if (user === undefined || passwordFile === undefined) return undefined;
  const password = (await read('--etcd-password-file', passwordFile)).toString('utf8').replace(/\r?\n$/, '');
  if (password === '') throw new CredentialsError(`--etcd-password-file ${passwordFile}: the file is empty`);
  return { user, password };
}

async function readOptional(option: string, path: string | undefined): Promise<Buffer | undefined> {
  return path === undefined ? undefined : await read(option, path);
}

async function read(option: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new CredentialsError(`${option} ${path}: ${unreadable(error)}`, { cause: error });
  }
}

function unreadable(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EISDIR') return 'it is a directory; expected a file';
  if (code !== 'EACCES') return error instanceof Error ? error.message : String(error);
  const user = process.geteuid === undefined ? '' : ` (user ${process.geteuid()}, group ${process.getegid?.()})`;
  return `this process${user} may not read it`;
}

function readCertificate(option: string, path: string | undefined, content: Buffer): X509Certificate {
  try {
    return new X509Certificate(content);
  } catch (error) {
    throw new CredentialsError(
      `${option} ${path}: it holds no certificate; expected PEM, which begins -----BEGIN CERTIFICATE-----`,
      { cause: error },
    );
  }
}

function readKey(path: string | undefined, content: Buffer) {
  try {
    return createPrivateKey(content);
  } catch (error) {
    throw new CredentialsError(
      `--etcd-key ${path}: it holds no private key that can be used; expected PEM, without a passphrase`,
      { cause: error },
    );
  }
}
