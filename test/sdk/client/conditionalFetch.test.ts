import { expect } from "chai";
import { type Hex, keccak256, stringToHex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

import {
  attestation,
  type AttestationCondition,
  type ConditionalFetch,
  conditionalFetch,
  type Delivery,
  parseYuan,
  signVerdict,
} from "../../../sdk/src/index.ts";
import { type Conditions, createConditionalWorld } from "../../server/conditionalStall.ts";
import type { World } from "../../server/helpers.ts";
import { openShop, price, rejection, type Shop } from "./helpers.ts";

const evaluator = privateKeyToAccount(generatePrivateKey());
const specHash = keccak256(stringToHex("a spec"));
const deliverableHash = keccak256(stringToHex("a deliverable"));

describe("conditionalFetch", () => {
  let world: World;
  let conditions: Conditions;
  let shop: Shop;
  let paying: ConditionalFetch;
  before(async () => {
    ({ world, conditions } = await createConditionalWorld());
  });
  afterEach(() => shop.close());

  /** The evaluator's word on a delivery. */
  async function verdictOn({ paymentId, condition }: Delivery, amount: bigint): Promise<Hex> {
    const issuedAt = BigInt(Math.floor(Date.now() / 1000));
    const verdict = { paymentId, specHash, deliverableHash, amount, issuedAt };
    const at = { condition: conditions.attestation, chainId: world.chainId };
    const signature = await signVerdict({ ...verdict, ...at, account: evaluator });
    const attestations = [{ evaluator: 0, amount, issuedAt, signature }];
    return (condition as AttestationCondition).encodeEvidence({ deliverableHash, attestations });
  }

  async function open(changes: Partial<conditionalFetch.Parameters> = {}, isOffered = true): Promise<void> {
    const contracts = { attestation: conditions.attestation };
    shop = await openShop({
      world,
      conditional: isOffered,
      gateway: { conditional: { contracts, evaluators: [evaluator.address], creditLimit: 20n * price } },
    });
    paying = conditionalFetch({
      account: world.payer,
      client: world.payerClient,
      deposit: parseYuan("0.5"),
      maxPrice: price,
      evaluators: [evaluator.address],
      condition: ({ terms, chainId }) =>
        attestation({
          condition: terms.conditions.attestation!,
          chainId,
          evaluators: [...terms.evaluators],
          threshold: 1,
          specHash,
          judgeBy: BigInt(Math.floor(Date.now() / 1000)) + 3_600n,
        }),
      async judge(delivery) {
        const text = await delivery.response.text();
        return text.includes("bad") ? undefined : verdictOn(delivery, price);
      },
      ...changes,
    });
  }
  const post = (body: string) => paying(`${shop.url}/hello`, { method: "POST", body });
  /** What the seller's ledger says of each call. */
  async function story(): Promise<string[]> {
    const all: string[] = [];
    for await (const channel of shop.gateway.ledger.channels()) {
      for await (const { status, captured } of shop.gateway.ledger.holds(channel.channelId)) {
        all.push(`${status} ${captured}`);
      }
    }
    return all.toSorted();
  }

  it("pays for what succeeded and for nothing else, without a transaction for each", async () => {
    const verdicts: bigint[] = [];
    await open({ onVerdict: ({ due }) => verdicts.push(due) });
    for (const body of ["good", "bad", "good too", "bad again", "fine"]) {
      expect(await (await post(body)).text()).to.equal(`hello ${body}`);
    }
    const closed = await paying.close();
    expect(verdicts.toSorted()).to.deep.equal([0n, 0n, price, price, price]);
    expect(closed).to.include({ paid: 3n * price, refunded: parseYuan("0.5") - 3n * price, excess: 0n, by: "seller" });
    expect(await story()).to.deep.equal([
      `captured ${price}`,
      `captured ${price}`,
      `captured ${price}`,
      "released 0",
      "released 0",
    ]);
  });

  it("lets calls run side by side, each with a payment of its own", async () => {
    await open();
    const bodies = Array.from({ length: 10 }, (_, i) => (i % 3 === 0 ? `bad ${i}` : `good ${i}`));
    const texts = await Promise.all(bodies.map(async (body) => (await post(body)).text()));
    expect(texts).to.deep.equal(bodies.map((body) => `hello ${body}`));
    expect(await paying.close()).to.include({ paid: 6n * price, excess: 0n });
    expect(paying.due).to.equal(6n * price);
  });

  it("pays a part where the evaluator says so, and at most the price", async () => {
    await open({ judge: (delivery) => verdictOn(delivery, price / 3n) });
    await post("so so");
    expect(await paying.close()).to.include({ paid: price / 3n, excess: 0n });
  });

  it("costs nothing where the seller fails, or nobody judges", async () => {
    await open({
      judge: () => {
        throw new Error("the evaluator is away");
      },
    });
    shop.work = () => new Response("broken", { status: 500 });
    expect((await post("x")).status).to.equal(500);
    shop.work = () => new Response("done");
    expect((await post("y")).status).to.equal(200);
    expect(await paying.close()).to.include({ paid: 0n, excess: 0n });
  });

  it("signs nothing for another's verdicts, above its limits, or where nothing conditional is taken", async () => {
    await open({ evaluators: [] });
    expect(await rejection(post("x"))).to.include({ code: "statement-not-planned" });
    await shop.close();
    await open({ maxPrice: price - 1n });
    expect(await rejection(post("x"))).to.include({ code: "price-above-limit", price });
    await shop.close();
    await open({}, false);
    expect(await rejection(post("x"))).to.include({ code: "conditional-not-offered" });
    expect(await paying.close()).to.equal(undefined);
    expect(await rejection(post("x"))).to.include({ code: "closed" });
  });
});
