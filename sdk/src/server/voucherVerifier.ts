import type { Address, Hex } from "viem";
import { hexToBytes } from "viem/utils";

import { assertField } from "../protocol/assertField.ts";
import {
  type ChannelsLocation,
  type InvalidFieldError,
  MAX_UINT128,
  type SignatureFault,
  voucherType,
} from "../protocol/index.ts";
import { createKeccak256 } from "./keccak.ts";
import { createSecp256k1, type Secp256k1UnavailableError } from "./secp256k1.ts";
import { createStatementHasher } from "./statementHasher.ts";

/** Half of the order of secp256k1, the largest s that is accepted. */
const halfOrder = hexToBytes("0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");

/** Checks vouchers of one PaymentChannels contract: synchronous, for the hot path. */
export type VoucherVerifier = {
  /** Which secp256k1 is in use. */
  readonly backend: "native" | "wasm";
  /**
   * Computes what is signed for a voucher: the same as `hashVoucher`, many times faster.
   *
   * @param channelId - 32 bytes.
   * @param cumulativeAmount - The total owed so far, in base units.
   * @returns The digest, 32 bytes.
   * @throws {InvalidFieldError} when the id is malformed or the amount needs more than 128 bits.
   */
  digest(channelId: Hex, cumulativeAmount: bigint): Hex;
  /**
   * Checks a voucher's signature. It is valid exactly where `verifyVoucher` says so and the contract's ECDSA check
   * does; nothing about it throws.
   *
   * @param parameters - The voucher, `cumulativeAmount` in base units, its signature and whose it should be.
   * @returns Valid, or the reason why not.
   */
  verify(parameters: createVoucherVerifier.VerifyParameters): createVoucherVerifier.VerifyReturnType;
  /**
   * Checks a signature by the same rules over a digest that was computed elsewhere, such as a conditional voucher's.
   *
   * @param parameters - The digest, 32 bytes, the signature and whose it should be.
   * @returns Valid, or the reason why not.
   */
  verifyDigest(parameters: createVoucherVerifier.DigestParameters): createVoucherVerifier.VerifyReturnType;
};

/**
 * Makes a verifier for the vouchers of one PaymentChannels contract (EIP-712; draft-evm-session-00). It hashes into
 * buffers that it uses again and recovers the signer with libsecp256k1 each time. Verifying against a remembered key
 * would save a sixth of that, and would accept a wrong v, which the contract refuses.
 *
 * @param parameters - Where the channels live, and the secp256k1 to use (the fastest if left out).
 * @returns The verifier.
 * @throws {InvalidFieldError} when the address or the chain's id is malformed.
 * @throws {Secp256k1UnavailableError} when `"native"` is asked for and cannot be loaded.
 * @example
 * import { signVoucher } from "subfen";
 * import { createVoucherVerifier } from "subfen/server";
 * import { keccak256, stringToHex } from "viem";
 * import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
 *
 * const channels = { contract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512", chainId: 31337 };
 * const account = privateKeyToAccount(generatePrivateKey());
 * const voucher = { channelId: keccak256(stringToHex("a channel")), cumulativeAmount: 250_000n };
 * const signature = await signVoucher({ ...channels, ...voucher, account });
 *
 * const verifier = await createVoucherVerifier(channels);
 * verifier.verify({ ...voucher, signature, signer: account.address }); // { valid: true }
 */
export async function createVoucherVerifier(
  parameters: createVoucherVerifier.Parameters,
): Promise<createVoucherVerifier.ReturnType> {
  const { contract, chainId, backend } = parameters;
  const hash = await createStatementHasher({ contract, chainId, type: voucherType });
  const secp256k1 = await createSecp256k1({ backend });
  const keccak = await createKeccak256();

  // Nothing in here waits, so one set of buffers is enough.
  const signatureBytes = Buffer.alloc(65);
  const compact = signatureBytes.subarray(0, 64);
  const s = signatureBytes.subarray(32, 64);
  const signerBytes = Buffer.alloc(20);

  return {
    backend: secp256k1.backend,

    digest(channelId, cumulativeAmount) {
      assertField({ field: "Voucher.channelId", type: "bytes32", value: channelId });
      assertField({ field: "Voucher.cumulativeAmount", type: "uint128", value: cumulativeAmount });
      return `0x${Buffer.from(hash({ channelId, cumulativeAmount })).toString("hex")}`;
    },

    verify({ channelId, cumulativeAmount, signature, signer }) {
      if (!isHexOfSize(channelId, 32)) return refused.malformed;
      if (typeof cumulativeAmount !== "bigint" || cumulativeAmount < 0n || cumulativeAmount > MAX_UINT128)
        return refused.malformed;
      return check(() => hash({ channelId, cumulativeAmount }), signature, signer);
    },

    verifyDigest({ digest, signature, signer }) {
      if (!isHexOfSize(digest, 32)) return refused.malformed;
      return check(() => hexToBytes(digest), signature, signer);
    },
  };

  /** The digest is asked for last: nothing is hashed for what is malformed. */
  function check(digest: () => Uint8Array, signature: Hex, signer: Address): createVoucherVerifier.VerifyReturnType {
    if (!isHexOfSize(signature, 65) || !isHexOfSize(signer, 20)) return refused.malformed;
    signatureBytes.write(signature.slice(2), "hex");
    const recoveryId = (signatureBytes[64] ?? 0) - 27;
    if (recoveryId !== 0 && recoveryId !== 1) return refused.malformed;
    if (s.compare(halfOrder) > 0) return refused["high-s"];
    const publicKey = secp256k1.recover(digest(), compact, recoveryId);
    if (publicKey === undefined) return refused.invalid;
    signerBytes.write(signer.slice(2), "hex");
    // An address is the last 20 bytes of the hash of a key's coordinates.
    return signerBytes.compare(keccak(publicKey.subarray(1)), 12) === 0 ? accepted : refused["signer-mismatch"];
  }
}

export declare namespace createVoucherVerifier {
  type Parameters = ChannelsLocation & {
    /** The fastest if left out. */
    backend?: "native" | "wasm" | undefined;
  };
  type VerifyParameters = {
    channelId: Hex;
    cumulativeAmount: bigint;
    signature: Hex;
    /** Who must have signed: see `voucherSigner`. */
    signer: Address;
  };
  type DigestParameters = { digest: Hex; signature: Hex; signer: Address };
  type VerifyReturnType =
    | { readonly valid: true }
    | {
        readonly valid: false;
        /** What is wrong with the form, or `signer-mismatch`: good, but somebody else's or over something else. */
        readonly reason: SignatureFault | "signer-mismatch";
      };
  type ReturnType = VoucherVerifier;
  type ErrorType = InvalidFieldError | Secp256k1UnavailableError;
}

function isHexOfSize(value: unknown, bytes: number): boolean {
  return typeof value === "string" && value.length === 2 + 2 * bytes && /^0x[0-9a-fA-F]*$/.test(value);
}

const accepted = { valid: true } as const;
const refused = {
  malformed: { valid: false, reason: "malformed" },
  "high-s": { valid: false, reason: "high-s" },
  invalid: { valid: false, reason: "invalid" },
  "signer-mismatch": { valid: false, reason: "signer-mismatch" },
} as const;
