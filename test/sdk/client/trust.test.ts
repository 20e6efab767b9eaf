import { expect } from "chai";
import { type Address, keccak256, stringToHex } from "viem";

import {
  attestation,
  conditionalFetch,
  parseYuan,
  payingFetch,
  type SigningAccount,
  tickFetch,
} from "../../../sdk/src/index.ts";
import { session } from "../../../sdk/src/mppx/index.ts";
import { pricePerRequest } from "../../../sdk/src/server/index.ts";
import { parseChallenges } from "../../../sdk/src/wire/index.ts";
import { type Conditions, createConditionalWorld } from "../../server/conditionalStall.ts";
import type { World } from "../../server/helpers.ts";
import { openShop, price, rejection, type Shop } from "./helpers.ts";

const evaluators: Address[] = [`0x${"e0".repeat(20)}`];
const deposit = parseYuan("0.5");

describe("what buyers trust", () => {
  let world: World;
  let conditions: Conditions;
  /** A token, and a condition, that the sellers take and that no buyer knows. */
  let token: Address;
  let condition: Address;
  let shop: Shop;
  let signed: string[];
  before(async () => {
    ({ world, conditions } = await createConditionalWorld());
    const [operator] = await world.ethers.getSigners();
    const other = await world.ethers.deployContract("MockDigitalYuan", [operator!.address]);
    token = (await other.getAddress()) as Address;
    await other.setExempt(world.channels.address, true);
    await other.faucet(world.payer.address, parseYuan("50"));
    // A byte more, which is never reached: it works as ours does, and is not known.
    await world.networkHelpers.setCode(token, `${await world.ethers.provider.getCode(token)}00`);
    condition = (await (await world.ethers.deployContract("KthCondition")).getAddress()) as Address;
  });
  beforeEach(() => {
    signed = [];
  });
  afterEach(() => shop.close());

  /** Who pays, and what it has signed, by the kinds of statements. */
  function buyer() {
    const account: SigningAccount = {
      address: world.payer.address,
      signTypedData(typedData) {
        signed.push(typedData.primaryType);
        return world.payer.signTypedData(typedData as never);
      },
    };
    return { account, client: world.payerClient };
  }
  type Trust = { trustedContracts?: Address[] };
  const channelFetch = (trust: Trust) => payingFetch({ ...buyer(), maxDeposit: deposit, maxPrice: price, ...trust });
  const ticking = (trust: Trust) => tickFetch({ ...buyer(), deposit, tickAmount: price, maxPrice: price, ...trust });
  const judged = (trust: Trust) =>
    conditionalFetch({
      ...buyer(),
      deposit,
      maxPrice: price,
      evaluators,
      condition: ({ terms, chainId }) =>
        attestation({
          condition: terms.conditions.attestation!,
          chainId,
          evaluators,
          threshold: 1,
          specHash: keccak256(stringToHex("a spec")),
          judgeBy: BigInt(Math.floor(Date.now() / 1000)) + 3_600n,
        }),
      judge: async () => undefined,
      ...trust,
    });
  function mppxFetch(trust: Trust): typeof fetch {
    const method = session({ ...buyer(), maxDeposit: deposit, maxPrice: price, ...trust });
    return async (input, init) => {
      const [challenge] = parseChallenges((await fetch(input, init)).headers.get("www-authenticate"));
      const request = JSON.parse(Buffer.from(challenge!.request, "base64url").toString()) as Record<string, unknown>;
      const authorization = await method.createCredential({ challenge: { ...challenge!, request } });
      return fetch(input, { ...init, headers: { authorization } });
    };
  }
  const creditLimit = 20n * price;
  const conditional = (attestationAt: Address) => ({
    contracts: { attestation: attestationAt },
    evaluators,
    creditLimit,
  });

  /** A seller that takes what this buyer does not know. */
  const cases: [
    string,
    (trust: Trust) => (input: string, init: RequestInit) => Promise<Response>,
    () => [Address, NonNullable<Parameters<typeof openShop>[0]>],
  ][] = [
    ["payingFetch: the token of a channel", channelFetch, () => [token, { gateway: { token } }]],
    [
      "payingFetch: the token of a transfer",
      channelFetch,
      () => [token, { gateway: { token, charge: { minAmount: 1n } } }],
    ],
    ["subfen/mppx: the token of a channel", mppxFetch, () => [token, { gateway: { token } }]],
    ["tickFetch: the condition of ticks", ticking, () => [condition, { gateway: { ticks: { condition } } }]],
    [
      "conditionalFetch: the condition of verdicts",
      judged,
      () => [condition, { conditional: true, gateway: { conditional: conditional(condition) } }],
    ],
  ];
  for (const [name, make, at] of cases) {
    it(`${name} is known or trusted, else nothing is signed`, async () => {
      const [address, options] = at();
      const gateway = { minDeposit: 0n, settler: false as const, ...options.gateway, trustedContracts: [address] };
      shop = await openShop({ world, ...options, price: pricePerRequest(price), gateway });
      if (name.includes("transfer")) {
        shop.between = (request, next) => {
          request.headers.set("accept-payment", "evm/charge");
          return next(request);
        };
      }
      const init = { method: "POST", body: "x" };
      const refused = await rejection(make({})(`${shop.url}/hello`, init));
      expect(refused).to.include({ code: "unknown-contract", chainId: world.chainId, fault: "code" });
      expect((refused["address"] as string).toLowerCase()).to.equal(address.toLowerCase());
      expect(signed).to.deep.equal([]);
      const response = await make({ trustedContracts: [address] })(`${shop.url}/hello`, init);
      expect([response.status, await response.text()]).to.deep.equal([200, "hello x"]);
      expect(signed[0]).to.equal(name.includes("transfer") ? "TransferWithAuthorization" : "ReceiveWithAuthorization");
    });
  }

  it("conditionalFetch: a condition is known where a seller names another one later, too", async () => {
    const gateway = { conditional: conditional(conditions.attestation), settler: false as const };
    shop = await openShop({ world, conditional: true, gateway });
    const later = await openShop({
      world,
      conditional: true,
      gateway: { ...gateway, conditional: conditional(condition), trustedContracts: [condition] },
    });
    shop.between = (request, next) =>
      new URL(request.url).pathname === "/later"
        ? fetch(`${later.url}/later`, { method: request.method, body: "x" })
        : next(request);
    try {
      const paying = judged({});
      const init = { method: "POST", body: "x" };
      expect((await paying(`${shop.url}/hello`, init)).status).to.equal(200);
      const before: string[] = [...signed];
      expect(await rejection(paying(`${shop.url}/later`, init))).to.include({ code: "unknown-contract" });
      expect(signed).to.deep.equal(before);
    } finally {
      await later.close();
    }
  });
});
