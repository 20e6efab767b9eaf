import { expect } from "chai";

import { milestones, milestoneTests } from "../../examples/tasks/milestones.ts";
import { testCommand } from "../../sdk/src/evaluator/index.ts";

describe("the milestones' tests", () => {
  const { signal } = new AbortController();
  const scoreOf = async (deliverable: string) => {
    const check = testCommand(milestoneTests);
    const { score } = await check.evaluate({
      deliverable: new TextEncoder().encode(deliverable),
      options: { test: "slug" },
      signal,
    });
    return score;
  };

  it("pass the work that is right", async () => {
    expect((await scoreOf(milestones[0]?.deliverable ?? "")).numerator).to.equal(1n);
  });

  it("do not pass a module that ends the process before it is tested", async () => {
    expect((await scoreOf("process.exit(0);")).numerator).to.equal(0n);
  });
});
