import { expect } from "chai";
import * as fc from "fast-check";

import {
  bearerToken,
  CheckUnavailableError,
  createEvaluatorHandler,
  createMemoryRecord,
  exactText,
  hashDeliverable,
  hashSpec,
  jsonSchema,
  type Outcome,
  RecordUnavailableError,
  type VerdictRecord,
} from "../../../sdk/src/evaluator/index.ts";
import { serve } from "../../server/helpers.ts";
import { account, at, evaluatorWith, expectSigned, full, isGood, paymentOf, scripted, spec } from "./helpers.ts";

const paymentId = paymentOf("a payment");
const good = { paymentId, amount: "1000", spec, deliverable: "good" };
const token = "a-token-of-the-test";

type Body = Record<string, unknown> & { verdict: Record<string, string>; code?: string };

function handlerWith(parameters: Parameters<typeof evaluatorWith>[0] = {}, options: object = {}) {
  return createEvaluatorHandler(evaluatorWith(parameters), { authorize: () => true, ...options });
}

const post = (body: unknown, headers: Record<string, string> = {}) =>
  new Request("http://evaluator.test/v1/verdicts", {
    method: "POST",
    body: typeof body === "string" || body instanceof Uint8Array ? (body as string) : JSON.stringify(body),
    headers,
  });
const get = (path: string, headers: Record<string, string> = {}) =>
  new Request(`http://evaluator.test${path}`, { headers });

/** @returns Status and body, after a look at what every answer has. */
async function read(response: Response): Promise<{ status: number; body: Body }> {
  expect(response.headers.get("cache-control")).to.equal("no-store");
  const body = (await response.json()) as Body;
  const type = response.headers.get("content-type");
  if (response.status === 200) expect(type).to.equal("application/json");
  else {
    expect(type).to.equal("application/problem+json");
    expect(body).to.include({ status: response.status });
    body.code = String(body["type"]).replace("urn:subfen:problem:", "");
  }
  return { status: response.status, body };
}

describe("an evaluator's service", () => {
  it("evaluates, tells what is on record, and says who it is, over HTTP", async () => {
    const { url, close } = await serve(handlerWith());
    try {
      const send = (body: unknown) => fetch(`${url}/v1/verdicts`, { method: "POST", body: JSON.stringify(body) });
      const { status, body } = await read(await send({ ...good, judgeBy: "99999999999" }));
      expect(status).to.equal(200);
      expect(body).to.include({ evaluator: account.address, ...at });
      expect(body.verdict).to.include({
        paymentId,
        specHash: hashSpec(spec),
        deliverableHash: hashDeliverable("good"),
        amount: "1000",
      });
      expect(body["report"]).to.include({ score: "1/1", askedAmount: "1000" });
      const { amount, issuedAt, ...rest } = body.verdict;
      const verdict = { ...rest, amount: BigInt(amount!), issuedAt: BigInt(issuedAt!) } as never;
      await expectSigned({ verdict, signature: body["signature"] as never, report: {} as never });

      expect((await read(await send(good))).body).to.deep.equal(body);
      expect((await read(await fetch(`${url}/v1/verdicts/${paymentId}`))).body).to.deep.equal(body);
      expect((await read(await fetch(`${url}/v1/evaluator`))).body).to.deep.equal({
        evaluator: account.address,
        ...at,
        checks: ["scripted"],
      });
    } finally {
      await close();
    }
  });

  it("takes bytes as base64", async () => {
    const handler = handlerWith();
    const { body } = await read(await handler(post({ ...good, deliverable: { base64: "/wA=" } })));
    expect(body.verdict).to.include({ deliverableHash: hashDeliverable(new Uint8Array([255, 0])), amount: "0" });
  });

  const problems: [string, Request, number, string][] = [
    ["a body that is no JSON", post("{"), 400, "malformed"],
    ["a body that is no object", post([]), 400, "malformed"],
    ["a body that is not UTF-8", post(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d])), 400, "malformed"],
    ["no payment", post({ ...good, paymentId: undefined }), 400, "malformed"],
    ["a payment that is none", post({ ...good, paymentId: "0x12" }), 400, "malformed"],
    ["an amount that is a number", post({ ...good, amount: 1000 }), 400, "malformed"],
    ["an amount of 129 bits", post({ ...good, amount: String(2n ** 128n) }), 400, "malformed"],
    ["a time of 65 bits", post({ ...good, judgeBy: String(2n ** 64n) }), 400, "malformed"],
    ["a time that is a number", post({ ...good, judgeBy: 1 }), 400, "malformed"],
    ["no deliverable", post({ ...good, deliverable: null }), 400, "malformed"],
    [
      "base64 that Node would read with holes",
      post({ ...good, deliverable: { base64: "Z2 9vZA==" } }),
      400,
      "malformed",
    ],
    ["base64 and more", post({ ...good, deliverable: { base64: "", text: "" } }), 400, "malformed"],
    ["an unknown member", post({ ...good, amout: "1" }), 400, "malformed"],
    ["half a character", post(JSON.stringify({ ...good, deliverable: "\ud83d" })), 422, "invalid-deliverable"],
    ["no specification", post({ ...good, spec: undefined }), 422, "invalid-spec"],
    ["an unknown check", post({ ...good, spec: { check: "none" } }), 422, "unknown-check"],
    ["a time that has passed", post({ ...good, judgeBy: "1" }), 409, "judge-by-passed"],
    ["a deliverable above the limit", post({ ...good, deliverable: "x".repeat(1_001) }), 413, "deliverable-too-large"],
    ["a body above the limit", post({ ...good, deliverable: "x".repeat(5_000) }), 413, "deliverable-too-large"],
    ["a payment without a verdict", get(`/v1/verdicts/${paymentId}`), 404, "verdict-not-found"],
    ["a payment that is no payment", get("/v1/verdicts/0x12"), 404, "not-found"],
    ["another path", get("/"), 404, "not-found"],
    ["a method that is none of its", get("/v1/verdicts"), 405, "method-not-allowed"],
  ];
  for (const [what, request, status, code] of problems)
    it(`answers ${what} with ${status} ${code}`, async () => {
      const handler = handlerWith({ maxDeliverable: 1_000 }, { maxBody: 4_000 });
      const { status: given, body } = await read(await handler(request));
      expect({ status: given, code: body.code }).to.deep.equal({ status, code });
    });

  it("says which methods there are", async () => {
    const handler = handlerWith();
    const allowed = async (request: Request) => (await handler(request)).headers.get("allow");
    expect(await allowed(get("/v1/verdicts"))).to.equal("POST");
    for (const path of ["/v1/evaluator", `/v1/verdicts/${paymentId}`])
      expect(await allowed(new Request(`http://evaluator.test${path}`, { method: "DELETE" }))).to.equal("GET, HEAD");
  });

  it("answers what is asked differently with 409 and what is on record", async () => {
    const handler = handlerWith();
    const { body: first } = await read(await handler(post(good)));
    const { status, body } = await read(await handler(post({ ...good, deliverable: "bad", amount: "999" })));
    expect({ status, code: body.code }).to.deep.equal({ status: 409, code: "verdict-final" });
    expect(body).to.deep.include({
      differences: ["deliverableHash", "amount"],
      askedAmount: "1000",
      verdict: first.verdict,
    });
  });

  it("answers an unavailable check with 503, tells later why there is no verdict, and evaluates when asked again", async () => {
    let isUp = false;
    const check = scripted((deliverable) => {
      if (!isUp) throw new CheckUnavailableError("the model's server answered with status 500");
      return isGood(deliverable);
    });
    const handler = handlerWith({ checks: [check], now: () => 5_000 });
    const response = await handler(post(good));
    expect(response.headers.get("retry-after")).to.equal("5");
    expect(await read(response)).to.have.nested.property("body.code", "check-unavailable");
    const { body } = await read(await handler(get(`/v1/verdicts/${paymentId}`)));
    expect(body["failures"]).to.deep.equal([
      {
        paymentId,
        specHash: hashSpec(spec),
        deliverableHash: hashDeliverable("good"),
        at: 5_000,
        reason: "The check could not be carried out: the model's server answered with status 500.",
      },
    ]);
    isUp = true;
    expect((await read(await handler(post(good)))).status).to.equal(200);
  });

  it("tells nobody but its owner of a fault of its own", async () => {
    const told: unknown[] = [];
    const fault = new Error("password of the disk: 1234");
    const record: VerdictRecord = { ...createMemoryRecord(), find: () => Promise.reject(fault) };
    const handler = handlerWith({ record }, { onError: (error: unknown) => told.push(error) });
    const { status, body } = await read(await handler(post(good)));
    expect({ status, code: body.code }).to.deep.equal({ status: 503, code: "evaluator-failed" });
    expect(JSON.stringify(body)).not.to.include("1234");
    expect(told).to.deep.equal([fault]);
  });

  it("tells its owner, and the caller without the reason's details, that its record cannot be used", async () => {
    const told: unknown[] = [];
    const fault = new RecordUnavailableError("its disk fails or is full", new Error("/srv/secret/verdicts.db"));
    const record: VerdictRecord = { ...createMemoryRecord(), add: () => Promise.reject(fault) };
    const handler = handlerWith({ record }, { onError: (error: unknown) => told.push(error) });
    const { status, body } = await read(await handler(post(good)));
    expect({ status, code: body.code }).to.deep.equal({ status: 503, code: "record-unavailable" });
    expect(JSON.stringify(body)).not.to.include("secret");
    expect(told).to.deep.equal([fault]);
  });

  it("decides and tells only for those with the token", async () => {
    const check = scripted(isGood);
    const authorize = bearerToken("an-older-token-of-it", token);
    const handler = handlerWith({ checks: [check] }, { authorize });
    const path = `/v1/verdicts/${paymentId}`;
    for (const authorization of ["", "Bearer", `Bearer ${token}s`, `Basic ${token}`, "Bearer a"])
      for (const request of [post(good, { authorization }), get(path, { authorization })]) {
        const response = await handler(request);
        expect(response.headers.get("www-authenticate")).to.equal("Bearer");
        expect((await read(response)).body.code).to.equal("unauthorized");
      }
    expect(check.runs).to.equal(0);
    expect((await read(await handler(get("/v1/evaluator")))).status).to.equal(200);
  });

  it("lets a function decide about whose payment it is", async () => {
    const seen: string[] = [];
    const authorize = (request: Request, id: string) => {
      seen.push(`${request.method} ${id}`);
      return id === paymentId;
    };
    const handler = handlerWith({}, { authorize });
    const other = paymentOf("another");
    expect((await read(await handler(post({ ...good, paymentId: other })))).status).to.equal(401);
    expect((await read(await handler(post(good)))).status).to.equal(200);
    expect((await read(await handler(get(`/v1/verdicts/${other}`)))).status).to.equal(401);
    expect(seen).to.deep.equal([`POST ${other}`, `POST ${paymentId}`, `GET ${other}`]);
  });

  it("lets so many run and so many wait, and answers the rest with 503; what is on record waits for nobody", async () => {
    let release: (outcome: Outcome) => void = () => undefined;
    const outcome = new Promise<Outcome>((resolve) => (release = resolve));
    const check = scripted((deliverable) => (deliverable === "known" ? { score: full, report: null } : outcome));
    const handler = handlerWith({ checks: [check] }, { atOnce: 2, waiting: 1 });
    const known = { ...good, paymentId: paymentOf("known"), deliverable: "known" };
    await handler(post(known));
    const running = [1, 2, 3].map((i) => handler(post({ ...good, paymentId: paymentOf(`${i}`) })));
    while (check.runs < 3) await new Promise((resolve) => setImmediate(resolve));
    const refused = await handler(post({ ...good, paymentId: paymentOf("4") }));
    expect(refused.headers.get("retry-after")).to.equal("5");
    expect((await read(refused)).body.code).to.equal("too-many-requests");
    expect((await read(await handler(post(known)))).status).to.equal(200);
    expect(check.runs).to.equal(3);
    release({ score: full, report: null });
    for (const response of await Promise.all(running)) expect((await read(response)).status).to.equal(200);
    expect(check.runs).to.equal(4);
    expect((await read(await handler(post({ ...good, paymentId: paymentOf("4") })))).status).to.equal(200);
  });

  it("answers whatever it is sent with a verdict that verifies or a problem that is known", async () => {
    const schema = jsonSchema();
    const codes = new Set<string>();
    const handler = handlerWith({ checks: [scripted(isGood), exactText(), schema] });
    const check = fc.oneof(fc.constantFrom("scripted", "exact-text", "json-schema"), fc.string());
    const options = fc.oneof(
      fc.jsonValue(),
      fc.record({ expected: fc.jsonValue() }),
      fc.record({ schema: fc.constantFrom({}, { type: "string" }, { $ref: "#/x" }) }),
    );
    const request = fc.record(
      {
        paymentId: fc.oneof({ weight: 5, arbitrary: fc.integer().map((i) => paymentOf(String(i))) }, fc.jsonValue()),
        amount: fc.oneof({ weight: 5, arbitrary: fc.bigInt({ min: 0n, max: 2n ** 129n }).map(String) }, fc.jsonValue()),
        spec: fc.oneof(
          {
            weight: 5,
            arbitrary: fc.record(
              { check, options, payment: fc.constantFrom("graded", "half", null) },
              { requiredKeys: ["check"] },
            ),
          },
          fc.jsonValue(),
        ),
        deliverable: fc.oneof(
          { weight: 5, arbitrary: fc.string({ unit: "binary" }) },
          fc.record({ base64: fc.base64String() }),
          fc.jsonValue(),
        ),
        judgeBy: fc.constantFrom("99999999999", "1", 1, null),
      },
      { requiredKeys: [] },
    );
    const body = fc.oneof(
      { weight: 8, arbitrary: request.map((value) => JSON.stringify(value)) },
      fc.json(),
      fc.string({ unit: "binary" }),
      fc.uint8Array(),
    );
    try {
      await fc.assert(
        fc.asyncProperty(body, async (sent) => {
          const { status, body: answered } = await read(await handler(post(sent)));
          codes.add(answered.code ?? "verdict");
          expect(status).to.be.oneOf([200, 400, 409, 413, 422]);
          if (status !== 200) return;
          const { amount = "", issuedAt = "", ...rest } = answered.verdict;
          const verdict = { ...rest, amount: BigInt(amount), issuedAt: BigInt(issuedAt) } as never;
          await expectSigned({ verdict, signature: answered["signature"] as never, report: {} as never });
        }),
        { numRuns: 600, seed: 7 },
      );
    } finally {
      await schema.close?.();
    }
    // Random bodies that all fail at their first letter would say nothing.
    expect(codes).to.include.keys("verdict", "malformed", "invalid-spec", "unknown-check", "judge-by-passed");
  });
});

describe("bearerToken", () => {
  it("refuses tokens that can be guessed or could not be sent", () => {
    for (const tokens of [[], [""], ["short"], ["fifteen letters"], ["sixteen letters or more"], [token, "short"]])
      expect(() => bearerToken(...tokens))
        .to.throw()
        .with.property("code", "weak-token");
  });

  it("lets in who sends one of them", async () => {
    const authorize = bearerToken("an-older-token-of-it", "a-newer-token-of-it");
    for (const [authorization, isLetIn] of [
      ["Bearer an-older-token-of-it", true],
      ["bearer a-newer-token-of-it", true],
      ["Bearer a-newer-token-of-i", false],
      ["Bearer a-newer-token-of-it2", false],
      ["a-newer-token-of-it", false],
    ] as const)
      expect(await authorize(get("/", { authorization }), paymentId), authorization).to.equal(isLetIn);
    expect(await authorize(get("/"), paymentId)).to.equal(false);
  });
});
