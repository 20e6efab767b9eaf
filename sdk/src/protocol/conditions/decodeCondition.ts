import type { Address, Hex } from "viem";

import { isSubfenError } from "../../errors.ts";
import { assertField, type InvalidFieldError } from "../assertField.ts";
import { createAbiReader } from "./abiReader.ts";
import { attestation } from "./attestation.ts";
import type { Condition } from "./condition.ts";
import { MalformedParametersError, UnknownConditionError } from "./errors.ts";
import { hashlock } from "./hashlock.ts";
import { assertChildCount, kthOf, nestedTooDeep } from "./kthOf.ts";
import { review } from "./review.ts";
import { ticks } from "./ticks.ts";

/** The condition contracts that are known, by their kind: those whose code was found to be what it should be. */
export type ConditionContracts = { readonly [kind in Condition["kind"]]?: Address | undefined };

/**
 * Reads a condition off its contract and encoded parameters: the inverse of the functions that make conditions.
 *
 * @param parameters - The known contracts and their chain, the contract asked and its parameters, and whether a review in
 *   which two roles are one account is read too.
 * @returns The condition, frozen; it encodes to exactly these parameters.
 * @throws {InvalidFieldError} when the contract's address is malformed.
 * @throws {UnknownConditionError} when it, or that of a child, is none of the known ones.
 * @throws {MalformedParametersError} when the parameters cannot be decoded, make no condition worth having (see `cause`),
 *   or are not encoded in the one usual way.
 * @example
 * import { decodeCondition, hashlock, hashPreimage } from "subfen";
 * import { zeroHash } from "viem";
 *
 * const condition = "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0";
 * const { parameters } = hashlock({ condition, sha256Hash: hashPreimage(zeroHash) });
 * decodeCondition({ contracts: { hashlock: condition }, chainId: 31337, condition, parameters }).kind; // "hashlock"
 */
export function decodeCondition(parameters: decodeCondition.Parameters): decodeCondition.ReturnType {
  return decode(parameters, 0);
}

export declare namespace decodeCondition {
  type Parameters = {
    /** The condition contracts that are known. */
    contracts: ConditionContracts;
    /** EIP-155 id of the chain they stand on. */
    chainId: number;
    /** The contract that is asked. */
    condition: Address;
    /** Its parameters, encoded. */
    parameters: Hex;
    /** Reads a review in which two roles are one account: see its `hasRoleOverlap`. */
    allowRoleOverlap?: boolean | undefined;
  };
  type ReturnType = Condition;
  type ErrorType = InvalidFieldError | UnknownConditionError | MalformedParametersError;
}

const kinds = ["hashlock", "attestation", "ticks", "kth", "review"] as const;

/** Limits are checked before children are decoded: what is sent by others must not make work that grows with its depth. */
function decode(parameters: decodeCondition.Parameters, depth: number): Condition {
  const { contracts, condition } = parameters;
  assertField({ field: "Condition.condition", type: "address", value: condition });
  const kind = kinds.find((name) => contracts[name]?.toLowerCase() === condition.toLowerCase());
  if (kind === undefined) throw new UnknownConditionError(condition);
  const decoded = refusing(kind, () => decoders[kind](parameters, depth));
  if (decoded.parameters !== parameters.parameters.toLowerCase())
    throw new MalformedParametersError({ kind, reason: "not-canonical" });
  return decoded;
}

function refusing(kind: Condition["kind"], decoder: () => Condition): Condition {
  try {
    return decoder();
  } catch (error) {
    const isUnreadable = isSubfenError(error, "malformed-data");
    if (!isUnreadable && !isSubfenError(error, "invalid-condition")) throw error;
    throw new MalformedParametersError({ kind, reason: isUnreadable ? "unreadable" : "refused", cause: error });
  }
}

type Decoder = (parameters: decodeCondition.Parameters, depth: number) => Condition;

const decoders: { [kind in Condition["kind"]]: Decoder } = {
  hashlock({ condition, parameters }) {
    return hashlock({ condition, sha256Hash: createAbiReader(parameters).bytes32(0) });
  },
  attestation({ condition, parameters, chainId }) {
    const { uint, bytes32, address, pointer, elements } = createAbiReader(parameters);
    return attestation({
      condition,
      chainId,
      evaluators: elements(pointer(0, 0)).map(address),
      threshold: Number(uint(32, 8)),
      specHash: bytes32(64),
      judgeBy: uint(96, 64),
    });
  },
  ticks({ condition, parameters }) {
    const { uint, bytes32 } = createAbiReader(parameters);
    return ticks({ condition, root: bytes32(0), tickAmount: uint(32, 128), tickCount: Number(uint(64, 32)) });
  },
  kth(parent, depth) {
    if (depth > 1) throw nestedTooDeep();
    const { uint, address, bytes, pointer, elements } = createAbiReader(parent.parameters);
    const k = Number(uint(0, 8));
    const list = elements(pointer(32, 0));
    assertChildCount(list.length, k);
    const base = list[0] ?? 0;
    const children = list.map((at) => {
      const child = pointer(at, base);
      const own = { condition: address(child), parameters: bytes(pointer(child + 32, child)) };
      return decode({ ...parent, ...own }, depth + 1);
    });
    return kthOf({ condition: parent.condition, k, children });
  },
  review({ condition, parameters, allowRoleOverlap }) {
    const { uint, address, bool } = createAbiReader(parameters);
    return review({
      condition,
      provider: address(0),
      reviewer: address(32),
      arbiter: address(64),
      reviewPeriod: uint(96, 64),
      arbitrationPeriod: uint(128, 64),
      deadline: uint(160, 64),
      silentArbiterPays: bool(192),
      allowRoleOverlap,
    });
  },
};
