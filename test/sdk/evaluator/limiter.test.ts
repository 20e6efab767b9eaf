import { expect } from "chai";

import { createEvaluatorHandler } from "../../../sdk/src/evaluator/index.ts";
import { evaluatorWith, full, paymentOf, scripted, spec } from "./helpers.ts";

describe("an evaluator's service", () => {
  it("is not filled by one payment that is asked about again and again", async function () {
    this.timeout(5_000);
    let begin = () => undefined as void;
    const hasBegun = new Promise<void>((resolve) => (begin = resolve));
    // The slow one ends only once the other one is evaluated.
    const check = scripted(async (deliverable) => {
      if (deliverable === "slow") await hasBegun;
      else begin();
      return { score: full, report: {} };
    });
    const handler = createEvaluatorHandler(evaluatorWith({ checks: [check] }), { authorize: () => true });
    const ask = (deliverable: string) =>
      handler(
        new Request("http://127.0.0.1/v1/verdicts", {
          method: "POST",
          body: JSON.stringify({ paymentId: paymentOf(deliverable), amount: "1", spec, deliverable }),
        }),
      );
    const slow = Array.from({ length: 4 }, () => ask("slow"));
    const answers = await Promise.all([...slow, ask("quick")]);
    expect(answers.map(({ status }) => status)).to.deep.equal([200, 200, 200, 200, 200]);
  });
});
