import { SubfenError } from "../errors.ts";
import { getBlockNumber } from "./actions.ts";
import type { ChainClient } from "./write.ts";

/** Blocks asked for at first; what many public nodes accept. */
const firstRange = 2_000n;
/** Blocks asked for at most, once smaller ranges went well. */
const largestRange = 50_000n;

/** A node does not give the logs of even one block. */
export class LogQueryError extends SubfenError {
  override readonly name = "LogQueryError";

  constructor(block: bigint, cause: unknown) {
    super(`The node does not answer for the logs of block ${block}.`, {
      code: "log-query",
      metaMessages: ["Try another node, or later: nothing was skipped."],
      cause,
    });
  }
}

/**
 * Asks for logs range by range. Nodes limit how many blocks or logs a query may cover, each in its own words: a range
 * that is refused is halved, and grows again where that goes well.
 *
 * @param client - A viem client.
 * @param blocks - The first block and the last, by default the newest when it starts.
 * @param query - Asks for the logs of a range, both ends included.
 * @returns An async iterator of the logs in the order of the chain, each once.
 * @throws {LogQueryError} when the node does not answer for a single block.
 */
export async function* logsInRanges<log>(
  client: ChainClient,
  blocks: { fromBlock: bigint; toBlock?: bigint | undefined },
  query: (range: { fromBlock: bigint; toBlock: bigint }) => Promise<readonly log[]>,
): AsyncGenerator<log, void, undefined> {
  const { fromBlock, toBlock = await getBlockNumber(client, { cacheTime: 0 }) } = blocks;
  let range = firstRange;
  for (let from = fromBlock; from <= toBlock;) {
    const to = from + range - 1n < toBlock ? from + range - 1n : toBlock;
    let logs: readonly log[];
    try {
      logs = await query({ fromBlock: from, toBlock: to });
    } catch (cause) {
      if (to === from) throw new LogQueryError(from, cause);
      range = (to - from + 1n) / 2n;
      continue;
    }
    yield* logs;
    from = to + 1n;
    range = range * 2n < largestRange ? range * 2n : largestRange;
  }
}
