import type { Block, Log, TransactionReceipt, TransactionResponse } from "ethers";

/** Numbers as JSON-RPC has them; what is unknown is left out. */
function toQuantities(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => {
      if (typeof value === "number" || typeof value === "bigint") return [[name, `0x${value.toString(16)}`]];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** @internal */
export function toRpcLog({ address, topics, data, blockHash, blockNumber, removed, ...log }: Log): unknown {
  const { transactionHash, transactionIndex, index: logIndex } = log;
  return toQuantities({
    address,
    topics,
    data,
    blockHash,
    blockNumber,
    transactionHash,
    transactionIndex,
    logIndex,
    removed,
  });
}

/** @internal */
export function toRpcReceipt(receipt: TransactionReceipt | null): unknown {
  if (!receipt) return null;
  const { hash: transactionHash, index: transactionIndex, gasPrice: effectiveGasPrice, logs } = receipt;
  const { blockHash, blockNumber, from, to, contractAddress, logsBloom, gasUsed, cumulativeGasUsed } = receipt;
  return toQuantities({
    transactionHash,
    transactionIndex,
    effectiveGasPrice,
    logs: logs.map(toRpcLog),
    blockHash,
    blockNumber,
    from,
    to,
    contractAddress,
    logsBloom,
    gasUsed,
    cumulativeGasUsed,
    status: receipt.status,
    type: receipt.type,
  });
}

/** @internal */
export function toRpcTransaction(transaction: TransactionResponse | null): unknown {
  if (!transaction) return null;
  const { hash, index: transactionIndex, gasLimit: gas, data: input, signature } = transaction;
  const { blockHash, blockNumber, from, to, nonce, value, type, chainId, gasPrice } = transaction;
  const { maxFeePerGas, maxPriorityFeePerGas, accessList } = transaction;
  return toQuantities({
    hash,
    transactionIndex,
    gas,
    input,
    r: signature.r,
    s: signature.s,
    v: signature.v,
    blockHash,
    blockNumber,
    from,
    to,
    nonce,
    value,
    type,
    chainId,
    gasPrice,
    maxFeePerGas,
    maxPriorityFeePerGas,
    accessList,
  });
}

/** With the hashes of its transactions alone. @internal */
export function toRpcBlock(block: Block | null): unknown {
  if (!block) return null;
  const { number, hash, parentHash, timestamp, nonce, difficulty, gasLimit, gasUsed } = block;
  const { miner, extraData, baseFeePerGas, transactions, stateRoot, receiptsRoot } = block;
  return toQuantities({
    number,
    hash,
    parentHash,
    timestamp,
    nonce,
    difficulty,
    gasLimit,
    gasUsed,
    miner,
    extraData,
    baseFeePerGas,
    transactions,
    stateRoot,
    receiptsRoot,
  });
}
