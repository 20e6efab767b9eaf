import type { Address, Hex } from "viem";
import { hexToBytes, keccak256 } from "viem/utils";

import { createSecp256k1 } from "./secp256k1.ts";

/**
 * Makes a function that tells who signed a digest.
 *
 * @returns The function: given 32 bytes and a signature of 65 bytes with v 27 or 28, the address in lower case, or
 * `undefined` where it is nobody's.
 */
export async function createRecoverSigner(): Promise<(digest: Hex, signature: Hex) => Address | undefined> {
  const secp256k1 = await createSecp256k1();
  return (digest, signature) => {
    const bytes = hexToBytes(signature);
    const publicKey = secp256k1.recover(hexToBytes(digest), bytes.subarray(0, 64), bytes[64] === 28 ? 1 : 0);
    return publicKey && `0x${keccak256(publicKey.subarray(1)).slice(26)}`;
  };
}
