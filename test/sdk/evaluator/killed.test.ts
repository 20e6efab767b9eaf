import { join } from "node:path";

import { expect } from "chai";

import { createSqliteRecord } from "../../../sdk/src/evaluator/index.ts";
import { startProcess, useFolder } from "../../crash/processes.ts";
import { rejection } from "../client/helpers.ts";
import type { processes } from "./evaluatorProcess.ts";
import { evaluatorWith, expectSigned, full, owner, paymentOf, scripted, spec } from "./helpers.ts";

function start(name: keyof typeof processes, ...args: unknown[]) {
  const script = new URL("evaluatorProcess.ts", import.meta.url).href;
  const code = `const { processes } = await import(${JSON.stringify(script)});
    await processes[${JSON.stringify(name)}](...${JSON.stringify(args)});`;
  const flags = ["--conditions=subfen-source", "--no-warnings", "--input-type=module", "-e", code];
  return startProcess(process.execPath, flags);
}

describe("an evaluator that is killed", () => {
  const folder = useFolder();

  it("between its record and its signature signs what is on record, and never anything else", async () => {
    const path = join(folder(), "killed.db");
    const child = start("dieBeforeSigning", path);
    await child.line(/about to sign/);
    await child.kill();

    const record = await createSqliteRecord({ path, owner });
    const paymentId = paymentOf("a payment");
    expect(await record.find(paymentId)).to.have.property("signature", undefined);
    const check = scripted(() => ({ score: full, report: "second" }));
    const evaluator = evaluatorWith({ record, checks: [check] });
    const request = { paymentId, amount: 100n, spec: { ...spec, payment: "graded" as const }, deliverable: "work" };
    expect(await rejection(evaluator.evaluate({ ...request, deliverable: "better work" }))).to.include({
      code: "verdict-final",
    });
    const signed = await evaluator.evaluate(request);
    expect(signed.verdict.amount).to.equal(33n);
    expect(signed.report.saw).to.equal("first");
    await expectSigned(signed);
    expect(check.runs).to.equal(0);
    expect(await evaluator.evaluate(request)).to.deep.equal(signed);
    await record.close();
  });

  it("and two processes of one key on one file: one verdict a payment", async () => {
    const path = join(folder(), "race.db");
    const children = [start("race", path, true), start("race", path, false)];
    await Promise.all(children.map((child) => child.line(/ready/)));
    for (const child of children) child.tell("go");
    const [first, second] = await Promise.all(children.map((child) => child.line(/^\{"signed".*/)));
    expect(first?.[0]).to.equal(second?.[0]);
    const { signed } = JSON.parse(first?.[0] ?? "") as { signed: { verdict: { paymentId: string } }[] };
    expect(new Set(signed.map(({ verdict }) => verdict.paymentId)).size).to.equal(20);
  });
});
