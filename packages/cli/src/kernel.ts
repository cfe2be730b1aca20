import { errorCode, FailureError, toError } from '@clusterf/daemon';

/**
 * Opens the kernel's IPVS for a command that only reads it.
 *
 * @param otherwise what can be done without it, to follow `or `
 * @throws FailureError that says what is missing
 */
export async function openedKernel<T>(open: () => Promise<T>, otherwise: string): Promise<T> {
  try {
    return await open();
  } catch (thrown) {
    const error = toError(thrown);
    const advice = ADVICE[errorCode(error) ?? ''];
    if (advice === undefined) throw error;
    throw new FailureError(`the kernel's table cannot be read: ${advice}, or ${otherwise}`, { cause: error });
  }
}

/** By what the kernel answers to `IpvsClient.open`. */
const ADVICE: Readonly<Record<string, string>> = {
  EPERM: 'that needs CAP_NET_ADMIN; run it as root',
  ENOENT: 'this kernel has no ip_vs; load it (modprobe ip_vs)',
};
