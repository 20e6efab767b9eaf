import { NodeUnreachableError } from "./errors.ts";
import { findCause } from "./findCause.ts";

type Actions = typeof import("./viemActions.ts");

/** An action of viem that is loaded with its first use: loading them takes a third of a cold import, and not all need them. */
function late<name extends keyof Actions>(name: name): Actions[name] {
  const action = async (...parameters: readonly unknown[]) => {
    const { [name]: loaded } = await import("./viemActions.ts");
    try {
      return await (loaded as (...parameters: readonly unknown[]) => unknown)(...parameters);
    } catch (error) {
      throw hideNode(name, error);
    }
  };
  return action as unknown as Actions[name];
}

const unreachable = ["HttpRequestError", "TimeoutError", "WebSocketRequestError", "SocketClosedError"];

/** viem names the node's address, which can hold a key, where the node gives no answer. */
function hideNode(action: string, error: unknown): unknown {
  const isUnreachable = unreachable.some((name) => findCause(error, name) !== undefined);
  return isUnreachable ? new NodeUnreachableError(action, error) : error;
}

export const call = /* @__PURE__ */ late("call");
export const getBlock = /* @__PURE__ */ late("getBlock");
export const getBlockNumber = /* @__PURE__ */ late("getBlockNumber");
export const getChainId = /* @__PURE__ */ late("getChainId");
export const getCode = /* @__PURE__ */ late("getCode");
export const getContractEvents = /* @__PURE__ */ late("getContractEvents");
export const getTransaction = /* @__PURE__ */ late("getTransaction");
export const getTransactionCount = /* @__PURE__ */ late("getTransactionCount");
export const getTransactionReceipt = /* @__PURE__ */ late("getTransactionReceipt");
export const prepareTransactionRequest = /* @__PURE__ */ late("prepareTransactionRequest");
export const readContract = /* @__PURE__ */ late("readContract");
export const sendRawTransaction = /* @__PURE__ */ late("sendRawTransaction");
export const sendTransaction = /* @__PURE__ */ late("sendTransaction");
export const simulateContract = /* @__PURE__ */ late("simulateContract");
export const waitForTransactionReceipt = /* @__PURE__ */ late("waitForTransactionReceipt");
export const writeContract = /* @__PURE__ */ late("writeContract");
