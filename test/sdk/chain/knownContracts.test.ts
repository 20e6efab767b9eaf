import { expect } from "chai";
import { type Address, createWalletClient, custom, type Hex, http, zeroAddress } from "viem";

import { defaultCodes } from "../../../sdk/src/chain/abis/defaultCodes.ts";
import { recordedDeployments } from "../../../sdk/src/chain/abis/deployments.ts";
import { isKnownCode, type KnownContract, requireKnownContract } from "../../../sdk/src/index.ts";
import { rejection } from "../client/helpers.ts";
import { bytes32, createStage, type Stage } from "./helpers.ts";

const publicChain = 11_155_111;
const nowhere: Address = `0x${"0e".repeat(20)}`;

describe("known contracts", () => {
  let stage: Stage;
  let channels: Address;
  let asked: string[];
  before(async () => {
    stage = await createStage();
    channels = stage.channels.address;
  });
  beforeEach(() => {
    asked = [];
  });

  /** A client of the same node, which says that it is on another chain. */
  function clientOn(chain: { id: number }) {
    const request = async ({ method, params }: { method: string; params?: unknown }): Promise<unknown> => {
      asked.push(method);
      if (method === "eth_chainId") return `0x${chain.id.toString(16)}`;
      return stage.payerClient.request({ method, params } as never);
    };
    return createWalletClient({ account: stage.payer, transport: custom({ request }, { retryCount: 0 }) });
  }

  const codeAt = async (address: Address): Promise<Hex> => (await stage.payerClient.getCode({ address })) ?? "0x";
  const fault = async (
    address: Address,
    contract: KnownContract | readonly KnownContract[],
    changes: Partial<requireKnownContract.Parameters> = {},
    client: Parameters<typeof requireKnownContract>[0] = stage.payerClient,
  ) =>
    requireKnownContract(client, { address, contract, ...changes }).then(
      () => "none",
      (error: { code: string; fault: string }) => `${error.code}: ${error.fault}`,
    );
  const asks = (method: string) => asked.filter((one) => one === method).length;

  it("are known whatever they were deployed with, and nothing else is", async () => {
    const other = await stage.deploy("PaymentChannels", [3600]);
    expect(isKnownCode(await codeAt(other), "PaymentChannels")).to.equal(true);
    expect(isKnownCode(await codeAt(channels), "PaymentChannels")).to.equal(true);
    expect(isKnownCode(await codeAt(stage.token.address), "MockDigitalYuan")).to.equal(true);
    expect(isKnownCode(await codeAt(stage.token.address), "PaymentChannels")).to.equal(false);
    expect(isKnownCode("0x", "PaymentChannels")).to.equal(false);
    const longer: Hex = `${await codeAt(channels)}00`;
    expect(isKnownCode(longer, "PaymentChannels")).to.equal(false);
  });

  it("are required by name: no other of them, no proxy, no account, nothing at all", async () => {
    expect(await fault(channels, "PaymentChannels")).to.equal("none");
    expect(await fault(channels, ["TaskEscrow", "PaymentChannels"])).to.equal("none");
    expect(await fault(channels, "TaskEscrow")).to.equal("unknown-contract: code");
    // What an account has that lets a contract act for it, and the smallest proxy.
    for (const code of [
      `0xef0100${channels.slice(2)}`,
      `0x363d3d373d3d3d363d73${channels.slice(2)}5af43d82803e903d91602b57fd5bf3`,
    ]) {
      await stage.networkHelpers.setCode(nowhere, code);
      expect(await fault(nowhere, "PaymentChannels")).to.equal("unknown-contract: code");
    }
    await stage.networkHelpers.setCode(nowhere, "0x");
    expect(await fault(nowhere, "PaymentChannels")).to.equal("unknown-contract: missing");
  });

  it("may not have values that lock a deposit for good or belong to another domain", async () => {
    const { immutables } = defaultCodes.find(({ contract }) => contract === "PaymentChannels")!;
    const code = await codeAt(channels);
    const graceOf = (seconds: number) => seconds.toString(16).padStart(64, "0");
    const [grace] = immutables.filter(({ start }) => code.slice(2 + 2 * start).startsWith(graceOf(900)));
    const withGrace = (seconds: number): Hex => {
      const from = 2 + 2 * grace!.start;
      return `${code.slice(0, from)}${graceOf(seconds)}${code.slice(from + 64)}` as Hex;
    };
    const days = 24 * 3600;
    for (const [seconds, expected] of [
      [30 * days, "none"],
      [30 * days + 1, "unknown-contract: values"],
    ] as const) {
      await stage.networkHelpers.setCode(channels, withGrace(seconds));
      expect(isKnownCode(await codeAt(channels), "PaymentChannels")).to.equal(true);
      expect(await fault(channels, "PaymentChannels"), String(seconds)).to.equal(expected);
    }
    await stage.networkHelpers.setCode(channels, code);
    // The same node, believed to be on another chain: what is signed for that is worth nothing here.
    expect(await fault(channels, "PaymentChannels", { chainId: 1 })).to.equal("unknown-contract: values");
  });

  it("may be anything that their user trusts, but not nothing (F020)", async () => {
    const trustedContracts = [stage.token.address.toLowerCase() as Address];
    expect(await fault(stage.token.address, "TaskEscrow", { trustedContracts })).to.equal("none");
    expect(await fault(channels, "TaskEscrow", { trustedContracts })).to.equal("unknown-contract: code");
    const missing = await fault(nowhere, "TaskEscrow", { trustedContracts: [nowhere] });
    expect(missing).to.equal("unknown-contract: missing");
  });

  it("are looked at once for each client and chain where they are good, and again where they are not", async () => {
    const chain = { id: publicChain };
    const client = clientOn(chain);
    const { escrow } = stage;
    const find = (contract: KnownContract, of = client) => fault(escrow, contract, {}, of);
    expect([await find("TaskEscrow"), await find("TaskEscrow")]).to.deep.equal(["none", "none"]);
    expect(asks("eth_getCode")).to.equal(1);
    // Neither as another contract, nor on another chain, nor by another client.
    expect(await find("KthCondition")).to.equal("unknown-contract: code");
    expect(asks("eth_getCode")).to.equal(2);
    chain.id = 1;
    expect(await find("TaskEscrow")).to.equal("none");
    expect(asks("eth_getCode")).to.equal(3);
    expect(await find("TaskEscrow", clientOn(chain))).to.equal("none");
    expect(asks("eth_getCode")).to.equal(4);
    // Nor is it good by itself, where it was only trusted.
    const trustedContracts = [stage.token.address];
    expect(await fault(stage.token.address, "TaskEscrow", { trustedContracts }, client)).to.equal("none");
    expect(await fault(stage.token.address, "TaskEscrow", {}, client)).to.equal("unknown-contract: code");
    // What was missing is there as soon as it is deployed.
    expect(await fault(nowhere, "TaskEscrow", {}, client)).to.equal("unknown-contract: missing");
    await stage.networkHelpers.setCode(nowhere, await codeAt(escrow));
    expect(await fault(nowhere, "TaskEscrow", {}, client)).to.equal("none");
    await stage.networkHelpers.setCode(nowhere, "0x");
  });

  it("are looked at each time on a local chain, which may be started anew", async () => {
    const client = clientOn({ id: 31337 });
    expect(await fault(stage.escrow, "TaskEscrow", {}, client)).to.equal("none");
    const code = await codeAt(stage.escrow);
    await stage.networkHelpers.setCode(stage.escrow, "0x");
    expect(await fault(stage.escrow, "TaskEscrow", {}, client)).to.equal("unknown-contract: missing");
    await stage.networkHelpers.setCode(stage.escrow, code);
  });

  it("may be of an older version where their deployment is recorded, with that code, at that address, there", async () => {
    const older = await stage.deploy("GasToken");
    const at = {
      address: older,
      codeHash: (await stage.payerClient.getProof({ address: older, storageKeys: [] })).codeHash,
    };
    const recorded = recordedDeployments as Record<number, (typeof recordedDeployments)[number]>;
    recorded[publicChain] = { token: nowhere, fromBlock: 0n, contracts: { TaskEscrow: at } };
    const find = (address: Address, contract: KnownContract, id = publicChain) =>
      fault(address, contract, {}, clientOn({ id }));
    try {
      expect(await find(older, "TaskEscrow")).to.equal("none");
      expect(await find(older, "TaskEscrow", 1)).to.equal("unknown-contract: code");
      expect(await find(older, "KthCondition")).to.equal("unknown-contract: code");
      expect(await find(channels, "TaskEscrow")).to.equal("unknown-contract: code");
      const copy: Address = `0x${"c0".repeat(20)}`;
      await stage.networkHelpers.setCode(copy, await codeAt(older));
      expect(await find(copy, "TaskEscrow")).to.equal("unknown-contract: code");
      await stage.networkHelpers.setCode(older, `${await codeAt(older)}00`);
      expect(await find(older, "TaskEscrow")).to.equal("unknown-contract: code");
    } finally {
      delete recorded[publicChain];
    }
  });

  it("F113: are refused in words that name the address and the chain, what to do, and no node", async () => {
    const error = await rejection(
      requireKnownContract(stage.payerClient, { address: nowhere, contract: "TaskEscrow" }),
    );
    expect(error).to.include({ code: "unknown-contract", address: nowhere, chainId: 31337, fault: "missing" });
    expect(error.message).to.include(
      `There is no contract at ${nowhere} on chain 31337, where TaskEscrow is expected.`,
    );
    expect(error.message).to.include("npm run deploy");
    const at = { address: stage.token.address, contract: "TaskEscrow" } as const;
    const other = await rejection(requireKnownContract(stage.payerClient, at));
    expect(other.message).to.include(`${stage.token.address} on chain 31337 is not the TaskEscrow`);
    expect(other.message).to.include("`trustedContracts`");
    // A node whose address has a key in it.
    const fetchFn = async (_url: unknown, init?: RequestInit): Promise<Response> => {
      const { id, method, params } = JSON.parse(String(init?.body)) as { id: number; method: string; params: unknown };
      return Response.json({
        jsonrpc: "2.0",
        id,
        result: await stage.payerClient.request({ method, params } as never),
      });
    };
    const transport = http("http://node.example/canary", { retryCount: 0, fetchFn });
    const told = await rejection(requireKnownContract(createWalletClient({ transport }), at));
    expect(told.code).to.equal("unknown-contract");
    expect(`${told.message} ${told.stack} ${JSON.stringify(told)}`).not.to.include("canary");
  });

  describe("are required before money is let go", () => {
    const amount = 1000n;
    /** Ways to let a contract have money, by the contract that they name. */
    const ways: [string, string, (contract: Address, trustedContracts?: Address[]) => Promise<unknown>][] = [
      [
        "openChannel",
        "PaymentChannels",
        (contract, trustedContracts) => {
          const terms = {
            payee: stage.seller.address,
            token: stage.token.address,
            salt: bytes32("s"),
            authorizedSigner: zeroAddress,
          };
          return stage.payerSdk.openChannel({ contract, terms, deposit: amount, trustedContracts });
        },
      ],
      [
        "topUpChannel",
        "PaymentChannels",
        (contract, trustedContracts) => {
          const terms = {
            payer: stage.payer.address,
            payee: stage.seller.address,
            token: stage.token.address,
            salt: bytes32("s"),
            authorizedSigner: zeroAddress,
          };
          return stage.payerSdk.topUpChannel({ contract, terms, additionalDeposit: amount, trustedContracts });
        },
      ],
      [
        "fundTask",
        "TaskEscrow",
        (contract, trustedContracts) =>
          stage.payerSdk.fundTask({ contract, task: stage.taskOf("one"), trustedContracts }),
      ],
      [
        "fundTasks",
        "TaskEscrow",
        (contract, trustedContracts) =>
          stage.payerSdk.fundTasks({ contract, tasks: [stage.taskOf("one")], trustedContracts }),
      ],
      [
        "approveToken",
        "PaymentChannels or TaskEscrow",
        (spender, trustedContracts) =>
          stage.payerSdk.approveToken({ token: stage.token.address, spender, amount, trustedContracts }),
      ],
    ];
    const sent = () => stage.payerClient.getTransactionCount({ address: stage.payer.address });

    for (const [name, expected, send] of ways) {
      it(`by ${name}, unless it is told otherwise`, async () => {
        const before = await sent();
        const refused = await rejection(send(stage.token.address));
        expect(refused).to.include({ code: "unknown-contract", fault: "code" });
        expect(refused.message).to.include(expected);
        // It goes on, and finds out what such a contract makes of the call.
        const trusting = send(stage.token.address, [stage.token.address]);
        if (name === "approveToken") await trusting;
        else expect(await rejection(trusting)).to.include({ code: "contract-refused" });
        expect(await sent()).to.equal(before + (name === "approveToken" ? 1 : 0));
      });
    }

    it("by approveToken to the channels and to the escrow; it takes an allowance back from anybody", async () => {
      for (const spender of [channels, stage.escrow]) {
        await stage.payerSdk.approveToken({ token: stage.token.address, spender, amount });
        expect(await stage.token.contract.allowance(stage.payer.address, spender)).to.equal(amount);
      }
      const { address: spender } = stage.third;
      const foreign = await stage.ethers.getImpersonatedSigner(stage.payer.address);
      await stage.token.contract.connect(foreign).approve(spender, 5n);
      await stage.payerSdk.approveToken({ token: stage.token.address, spender, amount: 0n });
      expect(await stage.token.contract.allowance(stage.payer.address, spender)).to.equal(0n);
    });
  });
});
