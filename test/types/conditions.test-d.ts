// Checked by the compiler alone: `npm run check`.
import { expectTypeOf } from "expect-type";

import {
  type AcceptedStatement,
  allOf,
  type Attestation,
  attestation,
  type AttestationCondition,
  type Condition,
  type ConditionalPayment,
  decodeCondition,
  type DueParameters,
  explainStatementRefusal,
  hashlock,
  judgeStatement,
  type KthCondition,
  planStatement,
  type StandingPayment,
  type StatementJudgement,
  type StatementRefusal,
  ticks,
} from "../../sdk/src/index.ts";

type Hex = `0x${string}`;

expectTypeOf<Condition["kind"]>().toEqualTypeOf<"hashlock" | "attestation" | "ticks" | "kth" | "review">();
expectTypeOf<DueParameters>().toEqualTypeOf<{ paymentId: Hex; amount: bigint; evidence: Hex }>();
expectTypeOf<Condition["amountDue"]>().toEqualTypeOf<(parameters: DueParameters) => Promise<bigint>>();
expectTypeOf(attestation).parameters.toEqualTypeOf<
  [
    { condition: Hex; chainId: number } & {
      evaluators: readonly Hex[];
      threshold: number;
      specHash: Hex;
      judgeBy: bigint;
    },
  ]
>();
expectTypeOf(attestation).returns.toEqualTypeOf<AttestationCondition>();
expectTypeOf<Attestation>().toEqualTypeOf<{ evaluator: number; amount: bigint; issuedAt: bigint; signature: Hex }>();
expectTypeOf(allOf).toEqualTypeOf<(children: readonly Condition[], parameters: { condition: Hex }) => KthCondition>();
expectTypeOf(decodeCondition).returns.toEqualTypeOf<Condition>();

expectTypeOf<AcceptedStatement["payments"]>().toEqualTypeOf<readonly StandingPayment[]>();
expectTypeOf<StandingPayment>().toExtend<ConditionalPayment>();
expectTypeOf(judgeStatement).returns.toEqualTypeOf<StatementJudgement>();
expectTypeOf(explainStatementRefusal).parameters.toEqualTypeOf<[StatementRefusal]>();

/** What the compiler refuses, and what it knows after a check. */
export function refused(
  condition: Condition,
  judgement: StatementJudgement,
  plan: ReturnType<typeof planStatement>,
  hash: Hex,
): void {
  if (condition.kind === "kth") expectTypeOf(condition.children).toEqualTypeOf<readonly Condition[]>();
  if (judgement.outcome === "refused" && judgement.reason.code === "fold-too-low")
    expectTypeOf(judgement.reason.required).toEqualTypeOf<bigint>();
  if (plan.outcome === "sign") expectTypeOf(plan.statement.cumulativeAmount).toEqualTypeOf<bigint>();
  // @ts-expect-error: evidence depends on the kind of condition
  condition.encodeEvidence({ preimage: hash });
  // @ts-expect-error: conditions do not change
  condition.parameters = hash;
  // @ts-expect-error: amounts are bigint
  ticks({ condition: hash, root: hash, tickAmount: 1, tickCount: 1 });
  // @ts-expect-error: a hash is needed, not the preimage
  hashlock({ condition: hash, preimage: hash });
  // @ts-expect-error: a refused statement leaves nothing to store
  if (judgement.outcome === "refused") judgement.next satisfies unknown;
}
