import type { Address, Hex } from "viem";
import { BaseError, RawContractError, zeroAddress, zeroHash } from "viem";
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
async function hasAuthorizations({ client }: Opened, token: Address): Promise<boolean> {
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
    await client.call({ account: token, to: token, data });
    return false;
  } catch (error) {
    const raw = error instanceof BaseError ? error.walk((cause) => cause instanceof RawContractError) : null;
    const reason = raw instanceof RawContractError ? raw.data : undefined;
    const bytes = typeof reason === "object" ? reason.data : reason;
    return bytes !== undefined && bytes !== "0x";
  }
}
