import { describe, expect, test } from '@jest/globals';
import { decodeEvent } from '../src/docker.js';
import { SIGTERM, signalNumber } from '../src/signals.js';

describe('signalNumber', () => {
  test.each([
    ['SIGTERM', SIGTERM],
    ['TERM', 15],
    ['term', 15],
    ['sigquit', 3],
    ['15', 15],
    ['WINCH', 28],
    ['SIGRTMIN', 34],
    ['SIGRTMIN+3', 37],
    ['RTMAX-1', 63],
  ])('%s is %d', (text, number) => {
    expect(signalNumber(text)).toBe(number);
  });

  test.each(['', 'SIG', 'SIGNOTHING', '-15', 'RTMIN+'])('%j is none', (text) => {
    expect(signalNumber(text)).toBeUndefined();
  });
});

describe('decodeEvent', () => {
  test('a kill carries its signal, the container’s labels and Docker’s time in milliseconds', () => {
    const Attributes = { 'clusterf.service': 'web', name: 'web-1', signal: '15' };
    const message = { Type: 'container', Action: 'kill', Actor: { ID: 'c1', Attributes }, timeNano: 1.5e18 };
    expect(decodeEvent(message)).toEqual({
      type: 'container',
      action: 'kill',
      id: 'c1',
      labels: Attributes,
      time: 1.5e12,
      signal: 15,
    });
  });

  test('a network event names the container, if it is about one', () => {
    const Actor = { ID: 'n1', Attributes: { container: 'c1', name: 'front' } };
    expect(decodeEvent({ Type: 'network', Action: 'connect', Actor, timeNano: 1e6 })).toEqual({
      type: 'network',
      action: 'connect',
      container: 'c1',
      time: 1,
    });
    expect(decodeEvent({ Type: 'network', Action: 'create', Actor: { ID: 'n1' }, timeNano: 1e6 })).toEqual({
      type: 'network',
      action: 'create',
      time: 1,
    });
  });

  test('anything else is nothing', () => {
    expect(decodeEvent({ Type: 'image', Action: 'pull', Actor: { ID: 'i' }, timeNano: 1 })).toBeUndefined();
  });
});
