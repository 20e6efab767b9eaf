// An evaluator in a process of its own, which tests kill. It never learns to sign in `dies` mode: its key is slow.
import { createEvaluator, createSqliteRecord } from "../../../sdk/src/evaluator/index.ts";
import { account, at, full, none, owner, paymentOf, scripted, spec } from "./helpers.ts";

const say = (value: unknown) =>
  process.stdout.write(
    `${JSON.stringify(value, (_, member: unknown) => (typeof member === "bigint" ? String(member) : member))}\n`,
  );

/** What other processes do in tests. */
export const processes = {
  /** Decides on a payment, tells that it is about to sign, and never does. */
  async dieBeforeSigning(path: string) {
    const signer = {
      address: account.address,
      type: "local",
      signTypedData: () => new Promise<never>(() => void setInterval(() => undefined, 1_000)),
      sign: () => {
        say("about to sign");
        return new Promise<never>(() => void setInterval(() => undefined, 1_000));
      },
    };
    const record = await createSqliteRecord({ path, owner });
    const check = scripted(() => ({ score: { numerator: 1n, denominator: 3n }, report: "first" }));
    const evaluator = createEvaluator({ ...at, account: signer, record, checks: [check] });
    await evaluator.evaluate({
      paymentId: paymentOf("a payment"),
      amount: 100n,
      spec: { ...spec, payment: "graded" },
      deliverable: "work",
    });
  },

  /** Evaluates many payments, passing all or none of them, once it is told to. */
  async race(path: string, passes: boolean) {
    const record = await createSqliteRecord({ path, owner, busyTimeout: 30_000 });
    const check = scripted(() => ({ score: passes ? full : none, report: passes }));
    const evaluator = createEvaluator({ ...at, account, record, checks: [check] });
    say("ready");
    await new Promise((resolve) => process.stdin.once("data", resolve));
    const signed = [];
    for (let i = 0; i < 20; i++)
      signed.push(
        await evaluator.evaluate({ paymentId: paymentOf(`payment ${i}`), amount: 100n, spec, deliverable: "work" }),
      );
    say({ signed });
    process.exit(0);
  },
};
