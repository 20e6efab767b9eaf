import type { Hex } from "viem";

import type { WorkStream } from "./perform.ts";
import type { Workload } from "./workload.ts";

/**
 * Counts work for a channel until it is answered, or has flowed.
 *
 * @param workload - Where it is counted.
 * @param channelId - The channel.
 * @param run - Does it; what flows goes through `keep`.
 * @returns What `run` returns.
 * @throws {ProblemError} when too much runs for the channel.
 */
export async function whileHeld<result>(
  workload: Workload,
  channelId: Hex,
  run: (keep: (stream: WorkStream) => WorkStream) => Promise<result>,
): Promise<result> {
  const leave = workload.hold(channelId);
  let isFlowing = false;
  try {
    return await run((stream) => {
      isFlowing = true;
      const end = (): void => {
        stream.end();
        leave();
      };
      return { ...stream, end };
    });
  } finally {
    if (!isFlowing) leave();
  }
}
