import { RpcRequestError } from "viem";

import { SubfenError } from "../errors.ts";

/** What is asked for cannot be had from this ethers signer or provider. It is the `cause` of the error that viem throws. */
export class UnsupportedByEthersError extends SubfenError {
  override readonly name = "UnsupportedByEthersError";
  /** The JSON-RPC method. */
  readonly method: string;

  constructor(method: string) {
    super(`The ethers signer or provider has nothing that answers ${method}.`, {
      code: "unsupported-by-ethers",
      metaMessages: [
        "Sending and signing need a signer. What only a node answers needs a provider with `send`, such as a JsonRpcProvider.",
      ],
    });
    this.method = method;
  }
}

/** Numbers of EIP-1193 and EIP-1474 for the codes of ethers; of the rest the node's own number is used. */
const numbers: Record<string, number> = {
  ACTION_REJECTED: 4001,
  UNSUPPORTED_OPERATION: -32601,
  INVALID_ARGUMENT: -32602,
  INSUFFICIENT_FUNDS: -32000,
  NONCE_EXPIRED: -32000,
  REPLACEMENT_UNDERPRICED: -32000,
};

type Told = { code?: unknown; message?: unknown; data?: unknown };

/**
 * Turns what ethers threw into what a node answers, which viem decodes: a number, the node's own words, and the data of
 * a revert. What has no number, such as a lost connection, stays as it is and is tried again.
 *
 * @internal
 */
export function toRpcError(method: string, cause: unknown): unknown {
  const { code, data, message } = tell(cause);
  if (typeof code !== "number") return cause;
  // ethers' own error stays in the chain of causes.
  const error = Object.assign(new Error(message, { cause }), { code, ...(data === undefined ? {} : { data }) });
  return new RpcRequestError({ body: { method }, error, url: "ethers" });
}

function tell(cause: unknown): { code: unknown; data?: unknown; message: string } {
  if (cause instanceof UnsupportedByEthersError) return { code: -32601, message: cause.shortMessage };
  const thrown = Object(cause) as Told & { shortMessage?: unknown; info?: { error?: Told }; error?: Told };
  const told: Told = thrown.info?.error ?? thrown.error ?? thrown;
  const message = String(told.message ?? thrown.shortMessage ?? thrown.message);
  if (thrown.code === "CALL_EXCEPTION" && typeof thrown.data === "string")
    return { code: 3, data: thrown.data, message };
  const number = typeof thrown.code === "string" ? numbers[thrown.code] : undefined;
  return { code: number ?? told.code, data: told.data, message };
}
