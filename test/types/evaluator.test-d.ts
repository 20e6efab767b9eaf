// Checked by the compiler alone: `npm run check`.
import { expectTypeOf } from "expect-type";
import type { PrivateKeyAccount } from "viem";

import {
  type Check,
  createEvaluator,
  createEvaluatorHandler,
  createSqliteRecord,
  type Evaluator,
  exactText,
  hashDeliverable,
  hashSpec,
  jsonSchema,
  requestVerdict,
  rubric,
  type SignedVerdict,
  type Spec,
  testCommand,
  type VerdictFinalError,
  type VerdictRecord,
  type VerdictRequest,
} from "../../sdk/src/evaluator/index.ts";
import type { SigningAccount, Verdict } from "../../sdk/src/index.ts";

type Hex = `0x${string}`;

expectTypeOf(createEvaluator).returns.toEqualTypeOf<Evaluator>();
expectTypeOf<createEvaluator.Parameters["account"]>().toEqualTypeOf<SigningAccount>();
expectTypeOf<PrivateKeyAccount>().toExtend<createEvaluator.Parameters["account"]>();
expectTypeOf<Evaluator["evaluate"]>().toEqualTypeOf<(request: VerdictRequest) => Promise<SignedVerdict>>();
expectTypeOf<SignedVerdict["verdict"]>().toEqualTypeOf<Verdict>();
expectTypeOf<SignedVerdict["signature"]>().toEqualTypeOf<Hex>();
expectTypeOf<VerdictRequest["amount"]>().toEqualTypeOf<bigint>();
expectTypeOf<VerdictRequest["judgeBy"]>().toEqualTypeOf<bigint | undefined>();
expectTypeOf<VerdictRequest["deliverable"]>().toEqualTypeOf<string | Uint8Array>();
expectTypeOf<Spec["payment"]>().toEqualTypeOf<"all-or-nothing" | "graded" | undefined>();

expectTypeOf(createEvaluatorHandler).returns.toEqualTypeOf<(request: Request) => Promise<Response>>();
expectTypeOf(createSqliteRecord).returns.resolves.toEqualTypeOf<VerdictRecord>();
expectTypeOf(hashSpec).toEqualTypeOf<(spec: Spec) => Hex>();
expectTypeOf(hashDeliverable).toEqualTypeOf<(deliverable: string | Uint8Array) => Hex>();
expectTypeOf<requestVerdict.ReturnType["verdict"]>().toEqualTypeOf<Verdict>();
expectTypeOf<VerdictFinalError["code"]>().toEqualTypeOf<"verdict-final">();

for (const check of [
  exactText(),
  jsonSchema(),
  rubric({ baseURL: "https://api.example/v1", model: "judge" }),
  testCommand({ it: { command: ["true"] } }),
])
  expectTypeOf(check).toEqualTypeOf<Check>();

/** What the compiler refuses. */
export function refused(evaluator: Evaluator, request: VerdictRequest): void {
  // @ts-expect-error: amounts are bigint
  void evaluator.evaluate({ ...request, amount: 1 });
  // @ts-expect-error: there is no such way to pay
  hashSpec({ check: "exact-text", payment: "half" });
  // @ts-expect-error: who may ask is said, never left open by leaving it out
  createEvaluatorHandler(evaluator, {});
  // @ts-expect-error: a check gives fractions of bigints
  expectTypeOf<Check>().toExtend<{ evaluate: () => Promise<{ score: number }> }>();
}
