// What actions.ts loads late, named one by one so that bundlers leave the rest of viem's actions out.
export {
  call,
  getBlock,
  getBlockNumber,
  getChainId,
  getCode,
  getContractEvents,
  getTransaction,
  getTransactionCount,
  getTransactionReceipt,
  prepareTransactionRequest,
  readContract,
  sendRawTransaction,
  sendTransaction,
  simulateContract,
  waitForTransactionReceipt,
  writeContract,
} from "viem/actions";
