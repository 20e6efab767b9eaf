import { type Address, type Hex, zeroAddress, zeroHash } from "viem";
import { encodeFunctionData, getAddress, isAddress, parseAbi } from "viem/utils";

import type { Opened } from "./openNetwork.ts";
import { Refusal } from "./refusal.ts";

const abi = parseAbi([
  "function decimals() view returns (uint8)",
  "function authorizationState(address authorizer, bytes32 nonce) view returns (bool)",
  "function receiveWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature)",
]);

/**
 * Makes sure that an address is a token that channels can be paid in.
 *
 * @param opened - The chain.
 * @param text - The address, as the user wrote it.
 * @returns The address, and how many decimals the token has.
 * @throws {Refusal} when it is no address, has no code, or lacks what gateways use.
 */
export async function requireToken(opened: Opened, text: string): Promise<{ token: Address; decimals: number }> {
  if (!isAddress(text)) throw new Refusal(`The token ${text} is not an address: 0x and 40 hexadecimal digits.`);
  const { client, name } = opened;
  const token = getAddress(text);
  if ((await client.getCode({ address: token })) === undefined) {
    throw new Refusal(
      `There is no contract at the token's address ${token} on ${name}. Check the address and the network.`,
    );
  }
  const decimals = await client.readContract({ address: token, abi, functionName: "decimals" }).catch(() => {
    throw new Refusal(`The contract at ${token} does not tell its decimals, so it is no token that can be used.`);
  });
  if (!(await hasAuthorizations(opened, token))) {
    throw new Refusal(
      `The token ${token} has no EIP-3009 authorizations with the signature as bytes, by which gateways open channels. ` +
        "Choose a token that has them, such as USDC.",
    );
  }
  return { token, decimals };
}

/** Probes with an authorization that is worth nothing: a token that knows the function says why it refuses. */
async function hasAuthorizations({ provider, client }: Opened, token: Address): Promise<boolean> {
  try {
    await client.readContract({
      address: token,
      abi,
      functionName: "authorizationState",
      args: [zeroAddress, zeroHash],
    });
  } catch {
    return false;
  }
  const signature: Hex = `0x${"00".repeat(65)}`;
  const args = [token, token, 0n, 0n, 0n, zeroHash, signature] as const;
  const data = encodeFunctionData({ abi, functionName: "receiveWithAuthorization", args });
  try {
    await provider.request({ method: "eth_call", params: [{ from: token, to: token, data }, "latest"] });
    return false;
  } catch (error) {
    return hasReason((error as { data?: unknown }).data);
  }
}

/** Whether a node's error carries what the contract said; nodes nest it differently. */
function hasReason(data: unknown): boolean {
  if (typeof data === "object" && data !== null && "data" in data) return hasReason(data.data);
  return typeof data === "string" && data.length > 2;
}
