import { describe, expect, test } from '@jest/globals';
import { type Asking, inWords } from '../src/etcd-words.js';

const NOW = Date.parse('2026-06-01T00:00:00Z');
const https = { scheme: 'https', options: { ca: 'ca.pem' } } as const;
const withCertificate = { scheme: 'https', options: { cert: 'cert.pem', key: 'key.pem' } } as const;

/** As gRPC passes on what OpenSSL says of an alert. */
function alert(words: string, number: number): string {
  return (
    'No connection established. Last error: 8011:error:0A000412:SSL routines:ssl3_read_bytes:' +
    `${words}:../deps/openssl/ssl/record/rec_layer_s3.c:1601:SSL alert number ${number}\n (2026-11-22T07:18:10.747Z). Resolution note: `
  );
}

describe("an alert of the server's", () => {
  test.each([
    ['sslv3 alert bad certificate', 42, 'bad certificate'],
    ['tlsv13 alert certificate required', 116, 'certificate required'],
    ['tlsv1 alert unknown ca', 48, 'unknown ca'],
    ['sslv3 alert certificate expired', 45, 'certificate expired'],
  ])('%s asks for a certificate where none is given, and refuses one that is', (words, number, short) => {
    expect(inWords(alert(words, number), https, NOW)).toBe(
      `it asks for a client certificate (TLS alert: ${short}); expected --etcd-cert and --etcd-key`,
    );
    expect(inWords(alert(words, number), withCertificate, NOW)).toBe(
      `it does not take the client certificate in --etcd-cert cert.pem (TLS alert: ${short}); ` +
        'expected one that an authority in its --trusted-ca-file has signed, for clients',
    );
  });

  test('refuses one whose time is up', () => {
    const asking = { ...withCertificate, certificateEnds: new Date(NOW - 1) };
    expect(inWords(alert('sslv3 alert bad certificate', 42), asking, NOW)).toBe(
      'it does not take the client certificate in --etcd-cert cert.pem, which expired on 2026-05-31T23:59:59.999Z ' +
        '(TLS alert: bad certificate)',
    );
  });
});

test.each([
  'No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:1. Resolution note: ',
  'Deadline exceeded after 5.003s,Waiting for LB pick',
  'etcdserver: mvcc: database space exceeded',
  'etcdserver: permission denied',
])('what says enough, or is for others to explain, is left as it is: %s', (details) => {
  expect(inWords(details, https, NOW)).toBe(details);
});

function asks(asking: Asking): string {
  return inWords('etcdserver: user name is empty', asking, NOW);
}

test('etcd that asks who we are is told by a user, or, in TLS, a certificate', () => {
  expect(asks({ scheme: 'http', options: {} })).toBe(
    'it wants to know who asks (etcdserver: user name is empty); expected --etcd-user and --etcd-password-file',
  );
  expect(asks(https)).toContain('expected --etcd-user and --etcd-password-file, or the client certificate of a user');
  expect(asks(withCertificate)).not.toContain('or the client certificate');
});

test('clocks that differ are thought of', () => {
  expect(inWords('Last error: Error: certificate is not yet valid. Resolution note: ', https, NOW)).toBe(
    'its certificate is not valid yet (certificate is not yet valid); do the clocks agree?',
  );
});
