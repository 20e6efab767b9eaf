import type { Address, Hex } from "viem";
import { sha256 } from "viem/utils";

import { assertField, type InvalidFieldError } from "../assertField.ts";
import { createAbiReader } from "./abiReader.ts";
import { type ConditionOf, toCondition } from "./condition.ts";
import type { InvalidConditionError } from "./errors.ts";

/** All is due to whoever shows the preimage of a SHA-256 hash. */
export type HashlockCondition = ConditionOf<"hashlock"> & {
  readonly sha256Hash: Hex;
  /**
   * @returns The evidence.
   * @throws {InvalidFieldError} when the preimage is not 32 bytes.
   */
  encodeEvidence(evidence: { preimage: Hex }): Hex;
};

/**
 * Describes a payment that is due to whoever shows a 32-byte preimage, as Lightning and Raiden have it. The preimage is
 * not tied to a payment: it proves every payment locked by the same hash. In a channel it binds the payer until the
 * channel is closed, so never forward a payment by it.
 *
 * @param parameters - The address of HashlockCondition and the SHA-256 hash of the preimage; see `hashPreimage`.
 * @returns The condition, frozen.
 * @throws {InvalidFieldError} when the address or the hash is malformed.
 * @throws {InvalidConditionError} when the address is zero.
 * @example
 * import { hashlock, hashPreimage } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 *
 * const preimage = keccak256(stringToHex("a secret"));
 * const condition = hashlock({
 *   condition: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
 *   sha256Hash: hashPreimage(preimage),
 * });
 * const paymentId = keccak256(stringToHex("a payment"));
 * const evidence = condition.encodeEvidence({ preimage });
 * await condition.amountDue({ paymentId, amount: 1_000n, evidence }); // 1_000n
 */
export function hashlock(parameters: hashlock.Parameters): hashlock.ReturnType {
  const { condition } = parameters;
  assertField({ field: "hashlock.sha256Hash", type: "bytes32", value: parameters.sha256Hash });
  const sha256Hash = parameters.sha256Hash.toLowerCase() as Hex;
  return toCondition({
    kind: "hashlock",
    address: condition,
    parameters: sha256Hash,
    fields: { sha256Hash, encodeEvidence },
    due({ amount, evidence }) {
      const preimage = createAbiReader(evidence).bytes32(0);
      return sha256(preimage) === sha256Hash ? amount : 0n;
    },
  });
}

export declare namespace hashlock {
  type Parameters = {
    /** HashlockCondition. */
    condition: Address;
    /** SHA-256 hash of 32 bytes. */
    sha256Hash: Hex;
  };
  type ReturnType = HashlockCondition;
  type ErrorType = InvalidFieldError | InvalidConditionError;
}

function encodeEvidence({ preimage }: { preimage: Hex }): Hex {
  assertField({ field: "hashlock.preimage", type: "bytes32", value: preimage });
  return preimage;
}

/**
 * Hashes a preimage as HashlockCondition does.
 *
 * @param preimage - 32 random bytes, known to nobody else.
 * @returns Its SHA-256 hash, 32 bytes.
 * @throws {InvalidFieldError} when it is not 32 bytes: no other length can ever be shown.
 * @example
 * import { hashPreimage } from "subfen";
 * import { zeroHash } from "viem";
 *
 * hashPreimage(zeroHash); // "0x66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"
 */
export function hashPreimage(preimage: Hex): hashPreimage.ReturnType {
  assertField({ field: "hashlock.preimage", type: "bytes32", value: preimage });
  return sha256(preimage);
}

export declare namespace hashPreimage {
  type ReturnType = Hex;
  type ErrorType = InvalidFieldError;
}
