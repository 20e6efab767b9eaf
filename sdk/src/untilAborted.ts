/**
 * Waits for work that goes on even if the caller gives up.
 *
 * @param work - What to wait for.
 * @param signal - Rejects with its reason when it is aborted.
 */
export async function untilAborted<value>(work: Promise<value>, signal: AbortSignal): Promise<value> {
  if (signal.aborted) {
    // What nobody waits for may fail: an unhandled rejection would end the process.
    work.catch(() => undefined);
    signal.throwIfAborted();
  }
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason instanceof Error ? signal.reason : new DOMException("Aborted", "AbortError"));
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (onAbort) signal.removeEventListener("abort", onAbort);
  }
}
