import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { schedulerFlagNames, schedulerFlags } from '../src/scheduler.js';

describe('the flags of a scheduler are called', () => {
  test.each<[string, number, string[]]>([
    ['sh', 3, ['sh-fallback', 'sh-port']],
    ['mh', 3, ['mh-fallback', 'mh-port']],
    ['sh', 5, ['sh-fallback', 'flag-3']],
    ['wlc', 3, ['flag-1', 'flag-2']],
    ['rr', 0, []],
  ])('%s %d: %j', (scheduler, bits, names) => {
    expect(schedulerFlagNames(scheduler, bits)).toEqual(names);
  });

  test('by names that read as the same bits again', () => {
    fc.assert(
      fc.property(fc.constantFrom('sh', 'mh', 'wlc', 'flag'), fc.nat(7), (scheduler, bits) => {
        expect(schedulerFlags(scheduler, schedulerFlagNames(scheduler, bits))).toEqual({ bits, unknown: [] });
      }),
    );
  });
});
