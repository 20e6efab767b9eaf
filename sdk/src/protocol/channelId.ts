import type { Hex } from "viem";

import type { InvalidFieldError } from "./assertField.ts";
import { assertDomain, channelsDomain, type ChannelsLocation } from "./domain.ts";
import { hashFields } from "./hashFields.ts";
import type { Terms } from "./terms.ts";

/**
 * Computes the id of a channel from its terms, as draft-evm-session-00 and the contract do:
 * `keccak256(abi.encode(payer, payee, token, salt, authorizedSigner, contract, chainId))`.
 *
 * @param parameters - The channel's terms, the address of PaymentChannels and the chain's id.
 * @returns The id, 32 bytes.
 * @throws {InvalidFieldError} when an address, the salt or the chain's id is malformed.
 * @example
 * import { computeChannelId } from "subfen";
 * import { zeroAddress, zeroHash } from "viem";
 *
 * computeChannelId({
 *   terms: {
 *     payer: "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A",
 *     payee: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
 *     token: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
 *     salt: zeroHash,
 *     authorizedSigner: zeroAddress,
 *   },
 *   contract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
 *   chainId: 31337,
 * });
 */
export function computeChannelId(parameters: computeChannelId.Parameters): computeChannelId.ReturnType {
  const { terms, contract, chainId } = parameters;
  assertDomain(channelsDomain({ contract, chainId }));
  return hashFields({
    name: "Terms",
    fields: [
      ["address", "payer", terms.payer],
      ["address", "payee", terms.payee],
      ["address", "token", terms.token],
      ["bytes32", "salt", terms.salt],
      ["address", "authorizedSigner", terms.authorizedSigner],
      ["address", "contract", contract],
      ["uint256", "chainId", BigInt(chainId)],
    ],
  });
}

export declare namespace computeChannelId {
  type Parameters = ChannelsLocation & { terms: Terms };
  type ReturnType = Hex;
  type ErrorType = InvalidFieldError;
}
