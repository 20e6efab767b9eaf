import type { Hex } from "viem";

import { keptFailures, type RecordedFailure, type RecordedVerdict, type VerdictRecord } from "./record.ts";

/**
 * Makes a record that ends with its process: for tests. An evaluator that forgets can be made to sign twice.
 *
 * @returns The record, empty and bound to nobody.
 * @example
 * import { createMemoryRecord } from "subfen/evaluator";
 *
 * const record = createMemoryRecord();
 */
export function createMemoryRecord(): VerdictRecord {
  const verdicts = new Map<Hex, RecordedVerdict>();
  const failed = new Map<Hex, RecordedFailure[]>();
  return {
    owner: undefined,
    find: async (paymentId) => verdicts.get(paymentId),
    async add(entry) {
      const key = entry.verdict.paymentId;
      const stands = verdicts.get(key) ?? { ...entry, signature: undefined };
      verdicts.set(key, stands);
      return stands;
    },
    async addSignature(paymentId, signature) {
      const entry = verdicts.get(paymentId);
      if (!entry) throw new Error("this verdict was never added");
      const stands = entry.signature ?? signature;
      verdicts.set(paymentId, { ...entry, signature: stands });
      return stands;
    },
    async addFailure(failure) {
      const key = failure.paymentId;
      failed.set(key, [...(failed.get(key) ?? []), failure].slice(-keptFailures));
    },
    failures: async (paymentId) => failed.get(paymentId) ?? [],
    close: async () => undefined,
  };
}
