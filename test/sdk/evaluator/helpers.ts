import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "chai";
import { type Hex, keccak256, stringToHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import {
  type Check,
  createEvaluator,
  createMemoryRecord,
  type Outcome,
  type SignedVerdict,
} from "../../../sdk/src/evaluator/index.ts";
import { verifyVerdict } from "../../../sdk/src/protocol/index.ts";

export const account = privateKeyToAccount(keccak256(stringToHex("a throw-away evaluator")));
export const condition = "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0";
export const at = { condition, chainId: 31337 } as const;
export const owner = { ...at, evaluator: account.address };
export const paymentOf = (name: string): Hex => keccak256(stringToHex(name));

/** What a check is called with when it does not matter who waits. */
export const signal = new AbortController().signal;
export const bytes = (text: string) => new TextEncoder().encode(text);
export const full = { numerator: 1n, denominator: 1n };
export const none = { numerator: 0n, denominator: 1n };

/** A check `scripted` that a test decides, and counts. */
export function scripted(decide: (deliverable: string) => Outcome | Promise<Outcome>) {
  const check = {
    name: "scripted",
    runs: 0,
    async evaluate({ deliverable }: { deliverable: Uint8Array }) {
      check.runs++;
      return decide(new TextDecoder().decode(deliverable));
    },
  } satisfies Check & { runs: number };
  return check;
}

/** Good if the deliverable says so. */
export const isGood = (deliverable: string): Outcome => ({
  score: deliverable === "good" ? full : none,
  report: { deliverable },
});

export function evaluatorWith(parameters: Partial<createEvaluator.Parameters> = {}) {
  return createEvaluator({ ...at, account, record: createMemoryRecord(), checks: [scripted(isGood)], ...parameters });
}

export const spec = { check: "scripted" } as const;

/** Fails unless the signature is the evaluator's over that very verdict. */
export async function expectSigned({ verdict, signature }: SignedVerdict): Promise<void> {
  expect(await verifyVerdict({ ...verdict, ...at, signature, signer: account.address })).to.equal(true);
}

/** Gives each test of a suite a folder of its own. @returns Tells the folder's path. */
export function useFolder(): () => string {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "subfen-evaluator-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  return () => folder;
}
