import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "chai";
import { type Address, createWalletClient, custom, type Hex } from "viem";

import { recordedDeployments } from "../../sdk/src/chain/abis/deployments.ts";
import { getDeployment } from "../../sdk/src/index.ts";
import { createGateway, createMemoryLedger, pricePerRequest } from "../../sdk/src/server/index.ts";
import { parseChallenges, parseSessionRequest } from "../../sdk/src/wire/index.ts";
import { createConditionalWorld, type Conditions } from "./conditionalStall.ts";
import type { World } from "./helpers.ts";
import { price, realm, secret } from "./stall.ts";

const nowhere: Address = `0x${"0e".repeat(20)}`;

describe("the contracts of a gateway", () => {
  let world: World;
  let conditions: Conditions;
  before(async () => {
    ({ world, conditions } = await createConditionalWorld());
  });

  type Options = Partial<createGateway.Parameters>;
  const create = (options: Options) =>
    createGateway({
      client: world.sellerClient,
      realm,
      secret,
      settler: false,
      ledger: createMemoryLedger(),
      ...options,
    });

  /** @returns The error, or what a challenge asks for. */
  async function found(options: Options): Promise<Record<string, unknown> | Error> {
    try {
      const gateway = await create(options);
      const offer = { price: pricePerRequest(price), conditional: true };
      const response = await gateway.charge(new Request("https://seller.example/"), offer, () => new Response("x"));
      await gateway.close();
      const [challenge] = parseChallenges(response.headers.get("www-authenticate"));
      const { escrowContract, currency, conditional, ticks } = parseSessionRequest(challenge!.request);
      return { escrowContract, currency, conditions: conditional?.conditions, ticks: ticks?.condition };
    } catch (error) {
      return error as Error;
    }
  }

  const lower = (address: Address) => address.toLowerCase();
  const named = () => ({ contract: world.channels.address, token: world.token.address });
  const refusal = (address: Address, fault: string) => ({ code: "unknown-contract", address, chainId: 31337, fault });

  it("are those that it is told, where their code is known", async () => {
    expect(await found(named())).to.deep.include({
      escrowContract: lower(world.channels.address),
      currency: lower(world.token.address),
    });
  });

  it("are refused where the code is another's or there is none (F020), before anything is opened", async () => {
    const folder = mkdtempSync(join(tmpdir(), "subfen-contracts-"));
    const ledgerPath = join(folder, "ledger.db");
    const { token, channels } = world;
    const cases: [Options, object][] = [
      [{ contract: token.address }, refusal(token.address, "code")],
      [{ contract: nowhere }, refusal(nowhere, "missing")],
      [{ token: channels.address }, refusal(channels.address, "code")],
      [{ token: nowhere }, refusal(nowhere, "missing")],
      [{ token: world.seller.address }, refusal(world.seller.address, "missing")],
      [{ token: nowhere, trustedContracts: [nowhere] }, refusal(nowhere, "missing")],
      [{ contract: nowhere, trustedContracts: [nowhere] }, refusal(nowhere, "missing")],
    ];
    try {
      for (const [changes, expected] of cases)
        expect(await found({ ...named(), ledger: undefined as never, ledgerPath, ...changes })).to.include(expected);
      expect(existsSync(ledgerPath)).to.equal(false);
    } finally {
      rmSync(folder, { recursive: true });
    }
    const creditLimit = 1n;
    for (const [changes, expected] of [
      [{ conditional: { contracts: { kth: conditions.hashlock }, creditLimit } }, refusal(conditions.hashlock, "code")],
      [{ conditional: { contracts: { kth: nowhere }, creditLimit } }, refusal(nowhere, "missing")],
      [{ ticks: { condition: conditions.hashlock } }, refusal(conditions.hashlock, "code")],
      [{ ticks: { condition: nowhere } }, refusal(nowhere, "missing")],
    ] as [Options, object][])
      expect(await found({ ...named(), ...changes })).to.include(expected);
  });

  it("F111: are refused where the chain's id is another than they sign for", async () => {
    const request = async ({ method, params }: { method: string; params?: unknown }): Promise<unknown> =>
      method === "eth_chainId" ? "0x5" : world.sellerClient.request({ method, params } as never);
    const client = createWalletClient({ account: world.seller, transport: custom({ request }) });
    const expected = { code: "unknown-contract", address: world.channels.address, chainId: 5, fault: "values" };
    expect(await found({ ...named(), client })).to.include(expected);
  });

  it("may be others where their owner trusts them", async () => {
    const token = (await (await world.ethers.deployContract("GasToken")).getAddress()) as Address;
    expect(await found({ ...named(), token })).to.include(refusal(token, "code"));
    const trusted = { ...named(), token, trustedContracts: [token] };
    expect(await found(trusted)).to.include({ currency: lower(token) });
    const ticks = { condition: conditions.hashlock };
    const trustedContracts = [conditions.hashlock];
    expect(await found({ ...named(), ticks, trustedContracts })).to.include({ ticks: lower(conditions.hashlock) });
  });

  describe("that are left out", () => {
    const usual = getDeployment(31337);
    const recorded = recordedDeployments as Record<number, (typeof recordedDeployments)[number]>;
    afterEach(async () => {
      delete recorded[31337];
      await place(usual.paymentChannels, "0x");
    });

    const codeOf = async (name: string): Promise<Hex> =>
      world.ethers.provider.getCode(
        await (await world.ethers.deployContract(name, name === "PaymentChannels" ? [900] : [])).getAddress(),
      ) as Promise<Hex>;
    const place = (address: Address, code: Hex) => world.networkHelpers.setCode(address, code);

    it("are those of the chain's deployment", async () => {
      const { token } = world;
      expect(await found({ token: token.address })).to.include(refusal(usual.paymentChannels, "missing"));
      await place(usual.paymentChannels, await codeOf("PaymentChannels"));
      const options = { token: token.address, ticks: {}, conditional: { creditLimit: 1n } };
      const { hashlock, attestation, kth, ticks } = usual.conditions;
      expect(await found(options)).to.include(refusal(hashlock, "missing"));
      await place(hashlock, await codeOf("HashlockCondition"));
      await place(attestation, await codeOf("AttestationCondition"));
      await place(kth, await codeOf("KthCondition"));
      expect(await found(options)).to.include(refusal(ticks, "missing"));
      await place(ticks, await codeOf("TickCondition"));
      expect(await found(options)).to.deep.equal({
        escrowContract: lower(usual.paymentChannels),
        currency: lower(token.address),
        conditions: { hashlock: lower(hashlock), attestation: lower(attestation), kth: lower(kth) },
        ticks: lower(ticks),
      });
    });

    it("are those that are recorded, the token among them; without a record the token is missing", async () => {
      const error = await found({ contract: world.channels.address });
      expect(error).to.include({ code: "no-token" });
      expect((error as Error).message).to.match(/chain 31337.*\n\nPass `token`/);
      const codeHash: Hex = `0x${"00".repeat(32)}`;
      recorded[31337] = {
        token: world.token.address,
        fromBlock: 1n,
        contracts: { PaymentChannels: { address: world.channels.address, codeHash } },
      };
      expect(await found({})).to.deep.include({
        escrowContract: lower(world.channels.address),
        currency: lower(world.token.address),
      });
      // A token of another issuer is known by its record, not by its code.
      const other = (await (await world.ethers.deployContract("GasToken")).getAddress()) as Address;
      recorded[31337] = { ...recorded[31337], token: other };
      expect(await found({})).to.include({ currency: lower(other) });
      expect(await found({ ticks: { condition: other } })).to.include(refusal(other, "code"));
      expect(await found({ token: world.token.address })).to.include({ currency: lower(world.token.address) });
      recorded[31337] = { ...recorded[31337], token: nowhere };
      expect(await found({})).to.include(refusal(nowhere, "missing"));
    });
  });
});
