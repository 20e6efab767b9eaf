import type { Signer } from "ethers";
import type { Address, Hex } from "viem";

import { SubfenError } from "../errors.ts";
import { type InvalidSignatureError, normalizeSignature } from "../protocol/signature.ts";
import type { SigningAccount, TypedData } from "../protocol/typedMessage.ts";

/** An ethers signer signed nothing: its user or its wallet refused, or it cannot sign. */
export class SignerFailedError extends SubfenError {
  override readonly name = "SignerFailedError";

  constructor(address: Address, primaryType: string, cause: unknown) {
    const { code } = Object(cause) as { code?: unknown };
    super(`The ethers signer of ${address} did not sign the ${primaryType}.`, {
      code: "signer-failed",
      metaMessages: [
        `ethers says: ${typeof code === "string" ? code : "no known reason"}`,
        "Give a signer that signs typed data (EIP-712) and let its user agree. Nothing was paid.",
      ],
      cause,
    });
  }
}

/**
 * Makes an account from an ethers v6 signer, wherever this package takes an `account` that signs. The signer needs no
 * provider.
 *
 * @param signer - A `Wallet`, `JsonRpcSigner`, `NonceManager` or any other signer that signs typed data.
 * @returns The account. Its signatures are 65 bytes with a low s and v 27 or 28, whatever the signer returns.
 * @throws What `signer.getAddress()` throws. Signing rejects with {SignerFailedError} when the signer does not sign and
 * with {InvalidSignatureError} when it returns no plain ECDSA signature.
 * @example
 * import { Wallet } from "ethers";
 * import { signVoucher } from "subfen";
 * import { accountFromEthers } from "subfen/ethers";
 *
 * const account = await accountFromEthers(Wallet.createRandom());
 * const signature = await signVoucher({ account, contract, chainId, channelId, cumulativeAmount: 250_000n });
 */
export async function accountFromEthers(signer: Signer): Promise<accountFromEthers.ReturnType> {
  const address = (await signer.getAddress()) as Address;
  return { address, signTypedData: (typedData) => signWith(signer, address, typedData) };
}

export declare namespace accountFromEthers {
  type ReturnType = SigningAccount;
  type ErrorType = SignerFailedError | InvalidSignatureError;
}

/** @internal */
export async function signWith(signer: Signer, address: Address, typedData: TypedData): Promise<Hex> {
  const { domain, types, primaryType, message } = typedData;
  const signature = await signer.signTypedData(domain, types, message).catch((cause: unknown) => {
    throw new SignerFailedError(address, primaryType, cause);
  });
  return normalizeSignature(signature as Hex);
}
