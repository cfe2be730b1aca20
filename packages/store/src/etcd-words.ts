import type { EtcdOptions } from './url.js';

/** How a member of etcd is asked, as far as it tells what may be wrong about it. */
export interface Asking {
  readonly scheme: 'http' | 'https';
  readonly options: EtcdOptions;
  /** The client certificate's last moment. */
  readonly certificateEnds?: Date | undefined;
}

/**
 * What gRPC, TLS and etcd complain of about who we are and whom we talk to, in words that say which file or option to
 * look at. What they said themselves stands in parentheses; anything else is passed on as it is.
 *
 * @param details of a call's status
 * @param now milliseconds since 1970
 */
export function inWords(details: string, asking: Asking, now: number): string {
  const { scheme, options } = asking;
  const said = `(${details.replace(/^.*Last error: (?:Error(?: \[\w+\])?: )?/s, '').replace(/[.\s]*Resolution note:.*$/s, '')})`;
  if (/unable to (?:verify the first|get (?:local )?issuer) certificate|self.signed certificate/.test(details)) {
    return options.ca === undefined
      ? `its certificate is signed by no authority known here ${said}; expected the authority's certificate as --etcd-ca FILE`
      : `its certificate is signed by none of the authorities in --etcd-ca ${options.ca} ${said}`;
  }
  if (/altnames/.test(details)) {
    return `its certificate is for other names than the one it is asked by ${said}; expected one of those in --config-source or --etcd-host`;
  }
  if (/certificate has expired/.test(details)) return `its certificate has expired ${said}; renew it where etcd runs`;
  if (/certificate is not yet valid/.test(details))
    return `its certificate is not valid yet ${said}; do the clocks agree?`;
  if (/SSL alert number \d+|tls.* alert|alert .*certificate/.test(details))
    return clientCertificateRefused(asking, alert(details), now);
  if (scheme === 'https' && /before secure TLS connection|wrong version number|packet length too long/.test(details)) {
    return `it does not answer in TLS ${said}; if it is meant to do without, expected etcd+http:// or --etcd-scheme http`;
  }
  if (scheme === 'http' && /Last error: Failed to connect/.test(details)) {
    return `it hangs up at once ${said}; if it is meant to be asked by https, expected etcd+https:// or --etcd-scheme https`;
  }
  if (/user name is empty/.test(details)) return `it wants to know who asks (${details}); expected ${whoAsks(asking)}`;
  if (/authentication failed/.test(details)) {
    return (
      `it does not know the user ${JSON.stringify(options.user)} of --etcd-user with the password ` +
      `in --etcd-password-file ${options.passwordFile} (${details})`
    );
  }
  return details;
}

function clientCertificateRefused({ options: { cert }, certificateEnds }: Asking, said: string, now: number): string {
  if (cert === undefined) return `it asks for a client certificate ${said}; expected --etcd-cert and --etcd-key`;
  if (certificateEnds !== undefined && certificateEnds.getTime() < now) {
    return `it does not take the client certificate in --etcd-cert ${cert}, which expired on ${certificateEnds.toISOString()} ${said}`;
  }
  return (
    `it does not take the client certificate in --etcd-cert ${cert} ${said}; ` +
    'expected one that an authority in its --trusted-ca-file has signed, for clients'
  );
}

/** `(tls alert: bad certificate)` */
function alert(details: string): string {
  const [, words] = /alert ([a-z ]+?)(?::|$)/m.exec(details) ?? [];
  return `(TLS alert${words === undefined ? '' : `: ${words}`})`;
}

function whoAsks({ scheme, options: { cert } }: Asking): string {
  const login = '--etcd-user and --etcd-password-file';
  return scheme === 'https' && cert === undefined ? `${login}, or the client certificate of a user` : login;
}
