import { expect } from "chai";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

import {
  bearerToken,
  createEvaluator,
  createEvaluatorHandler,
  createMemoryRecord,
  requestVerdict,
} from "../../../sdk/src/evaluator/index.ts";
import { serve } from "../../server/helpers.ts";
import { rejection } from "../client/helpers.ts";
import { account, at, evaluatorWith, expectSigned, isGood, owner, paymentOf, scripted, spec } from "./helpers.ts";

const token = "a-token-of-the-test";
const request = {
  ...owner,
  token,
  paymentId: paymentOf("a payment"),
  amount: 1_000n,
  spec,
  deliverable: "good",
  judgeBy: 99_999_999_999n,
};

type Answer = { verdict: { amount: string } };

describe("requestVerdict", () => {
  let service: Awaited<ReturnType<typeof serve>>;
  let handler: (request: Request) => Promise<Response>;
  const ask = (other: object = {}) => requestVerdict({ ...request, url: service.url, ...other });

  before(async () => {
    service = await serve((incoming) => handler(incoming));
  });
  after(() => service.close());
  beforeEach(() => {
    handler = createEvaluatorHandler(evaluatorWith(), { authorize: bearerToken(token) });
  });

  /** Lets the service answer what `change` makes of an honest answer. */
  function tamper(change: (answer: Answer) => unknown): void {
    const honest = createEvaluatorHandler(evaluatorWith(), { authorize: () => true });
    handler = async (incoming) => {
      const answer = (await (await honest(incoming)).json()) as Answer;
      return Response.json(change(answer) ?? answer);
    };
  }

  it("gets a verdict that it has verified, a failed one too", async () => {
    const signed = await ask();
    expect(signed.verdict.amount).to.equal(1_000n);
    expect(signed.report).to.include({ score: "1/1" });
    await expectSigned(signed as never);
    expect(await ask({ url: `${service.url}/` })).to.deep.equal(signed);
    const failed = await ask({ paymentId: paymentOf("another"), deliverable: new Uint8Array([255]) });
    expect(failed.verdict.amount).to.equal(0n);
  });

  /** Signs what it was not asked for, as an evaluator may by mistake or on purpose. */
  async function signsOther(other: object): Promise<void> {
    const evaluator = createEvaluator({ ...at, account, record: createMemoryRecord(), checks: [scripted(isGood)] });
    const { paymentId, amount, deliverable } = request;
    const made = await evaluator.evaluate({ paymentId, amount, spec, deliverable, ...other });
    tamper(() => ({
      verdict: { ...made.verdict, amount: String(made.verdict.amount), issuedAt: String(made.verdict.issuedAt) },
      signature: made.signature,
    }));
  }
  const wrong: [string, object][] = [
    ["paymentId", { paymentId: paymentOf("another") }],
    ["specHash", { spec: { ...spec, payment: "graded" } }],
    ["deliverableHash", { deliverable: "bad" }],
    ["amount", { amount: 1_001n }],
  ];
  for (const [fault, other] of wrong)
    it(`refuses a verdict that is signed for another ${fault}`, async () => {
      await signsOther(other);
      expect(await rejection(ask())).to.include({ code: "verdict-distrusted", fault });
    });

  it("refuses a verdict that comes too late to count", async () => {
    await signsOther({});
    expect(await rejection(ask({ judgeBy: 1n }))).to.include({ code: "verdict-distrusted", fault: "issuedAt" });
  });

  it("refuses a verdict that another has signed, or for another condition or chain", async () => {
    const evaluator = privateKeyToAccount(generatePrivateKey()).address;
    for (const other of [{ evaluator }, { condition: evaluator }, { chainId: 1 }]) {
      tamper(() => undefined);
      expect(await rejection(ask(other))).to.include({ code: "verdict-distrusted", fault: "signature" });
    }
    tamper((answer) => void (answer.verdict.amount = "999"));
    expect(await rejection(ask())).to.include({ code: "verdict-distrusted", fault: "signature" });
    await signsOther({});
    expect((await ask()).verdict.amount).to.equal(1_000n);
  });

  const noVerdicts: [string, unknown][] = [
    ["null", null],
    ["an empty object", {}],
    ["an amount that is a number", { amount: 1000 }],
    ["a text that is too long", "x".repeat(2 ** 20)],
  ];
  for (const [what, value] of noVerdicts)
    it(`refuses an answer that is ${what}`, async () => {
      handler = async () => Response.json(value);
      expect(await rejection(ask())).to.include({ code: "verdict-distrusted", fault: "answer" });
    });

  it("says what was refused", async () => {
    await ask();
    const final = await rejection(ask({ deliverable: "bad" }));
    expect(final).to.include({ code: "verdict-refused", status: 409, problem: "verdict-final" });
    expect(await rejection(ask({ token: "another-token-than-that" }))).to.include({
      status: 401,
      problem: "unauthorized",
    });
    expect(await rejection(ask({ token: undefined }))).to.include({ status: 401, problem: "unauthorized" });
    handler = async () => new Response("<html>", { status: 404 });
    expect(await rejection(ask())).to.include({ code: "verdict-refused", status: 404, problem: "" });
    handler = async () => new Response(null, { status: 307, headers: { location: "http://127.0.0.1:9/" } });
    expect(await rejection(ask())).to.include({ code: "verdict-refused", status: 307 });
  });

  it("says that it may be asked again", async () => {
    const check = scripted(() => Promise.reject(new Error("out of paper")));
    handler = createEvaluatorHandler(evaluatorWith({ checks: [check] }), { authorize: () => true });
    const unavailable = await rejection(ask());
    expect(unavailable).to.include({ code: "evaluator-unavailable", status: 503 });
    expect(unavailable.message).to.include("scripted failed");
    const nobody = await rejection(ask({ url: "http://127.0.0.1:9" }));
    expect(nobody).to.include({ code: "evaluator-unavailable", status: undefined });
    handler = () => new Promise(() => undefined);
    expect(await rejection(ask({ timeout: 50 }))).to.include({ code: "evaluator-unavailable" });
    const abort = AbortSignal.abort(new Error("enough"));
    expect(await rejection(ask({ signal: abort }))).to.have.property("message", "enough");
  });

  for (const url of ["http://evaluator.example", "ftp://127.0.0.1", "nowhere", "https://me:secret@evaluator.example"])
    it(`sends nothing to ${url}`, async () => {
      let calls = 0;
      const counting: typeof fetch = async () => {
        calls++;
        return new Response();
      };
      expect(await rejection(ask({ url, fetch: counting }))).to.include({ code: "unsafe-evaluator-url" });
      expect(calls).to.equal(0);
    });

  it("keeps to the host that it was given, whatever the path", async () => {
    const urls: string[] = [];
    const watching: typeof fetch = async (url) => {
      urls.push(String(url));
      return new Response(null, { status: 500 });
    };
    for (const url of ["https://evaluator.example//evil.example/", "https://evaluator.example/a?b=c"])
      await rejection(ask({ url, fetch: watching }));
    expect(urls).to.deep.equal([
      "https://evaluator.example//evil.example/v1/verdicts",
      "https://evaluator.example/a/v1/verdicts",
    ]);
  });

  const malformed: [object, string][] = [
    [{ paymentId: "0x12" }, "invalid-field"],
    [{ amount: -1n }, "invalid-field"],
    [{ evaluator: "0x12" }, "invalid-field"],
    [{ spec: {} }, "invalid-spec"],
    [{ deliverable: "\ud83d" }, "invalid-deliverable"],
  ];
  for (const [other, code] of malformed)
    it(`refuses ${Object.keys(other).join()} that is none, before anything is sent`, async () => {
      handler = async () => expect.fail("it was sent");
      expect(await rejection(ask(other))).to.include({ code });
    });
});
