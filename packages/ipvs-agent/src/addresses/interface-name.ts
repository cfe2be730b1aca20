/** What a name of a network device is, in words: see `dev_valid_name` in net/core/dev.c. */
const EXPECTED = 'a device name such as clusterf0: 1 to 15 characters without spaces, /, : and %';

/**
 * Whether the kernel takes the text for a device's name (`--vip-interface`): undefined if it does, else what was
 * expected. `all` and `default` it keeps for sysctls.
 */
export function checkInterfaceName(name: string): string | undefined {
  const reserved = ['.', '..', 'all', 'default'];
  return /^[!-~]{1,15}$/.test(name) && !/[/:%]/.test(name) && !reserved.includes(name) ? undefined : EXPECTED;
}
