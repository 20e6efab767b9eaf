import { expect } from "chai";
import { HDNodeWallet, type Interface } from "ethers";
import { network } from "hardhat";

import { createActors, type Stage, type Step } from "./channelActors.ts";
import { createChannelModel } from "./channelModel.ts";
import { createRandom } from "./random.ts";

/** Few steps in every test run; `npm run test:deep` names seeds, and each gets 10,000. */
const seeds = process.env.SUBFEN_SEEDS?.split(",").map(Number) ?? [11];
const isDeep = process.env.SUBFEN_SEEDS !== undefined;
const steps = isDeep ? 10_000 : 1_500;
const gracePeriod = 900;

describe("PaymentChannels against the model", function () {
  this.timeout(isDeep ? 900_000 : 120_000);

  for (const seed of seeds) {
    it(`INV1 to INV11: agrees to the base unit and the error over ${steps} steps (seed ${seed})`, async () => {
      const { ethers, provider, networkHelpers } = await network.create();
      const tokens = [await ethers.deployContract("GasToken"), await ethers.deployContract("BlocklistToken")];
      const channels = await ethers.deployContract("PaymentChannels", [gracePeriod]);
      const contractAddress = await channels.getAddress();
      const tokenAddresses = await Promise.all(tokens.map((token) => token.getAddress()));
      const wallet = (index: number) =>
        HDNodeWallet.fromPhrase(
          "test test test test test test test test test test test junk",
          undefined,
          `m/44'/60'/0'/0/${index}`,
        );
      const wallets = Array.from({ length: 11 }, (_, i) => wallet(i));
      const random = createRandom(seed);
      const model = createChannelModel({
        contract: contractAddress,
        chainId: 31337n,
        gracePeriod,
        tokens: tokenAddresses,
      });
      let now = 0;
      const [payers, payees] = [wallets.slice(0, 3), wallets.slice(3, 6)];
      for (const [i, token] of tokens.entries()) {
        for (const payer of payers) {
          await token.mint(payer.address, 5_000_000n);
          model.mint(tokenAddresses[i]!, payer.address, 5_000_000n);
          await token.connect(await ethers.getSigner(payer.address)).approve(contractAddress, 2n ** 256n - 1n);
        }
      }
      now = await networkHelpers.time.latest();
      const stage: Stage = {
        random,
        model,
        contract: channels.interface as unknown as Interface,
        contractAddress,
        chainId: 31337n,
        tokens: tokenAddresses,
        noToken: "0x00000000000000000000000000000000000000AA",
        payers,
        payees,
        signers: wallets.slice(6, 8),
        strangers: wallets.slice(8, 11),
        known: [],
        now: () => now,
      };
      const draw = createActors(stage);
      const getChannel = channels.interface.getFunction("getChannel").selector;
      const outcomes = new Map<string, number>();
      const count = (what: string): void => void outcomes.set(what, (outcomes.get(what) ?? 0) + 1);

      /** What the model refuses is only called, which is faster: should it succeed, the step has failed all the same. */
      async function call(step: Step): Promise<string | undefined> {
        const transaction = { from: step.from, to: contractAddress, data: step.data, gas: "0x2dc6c0" };
        try {
          await ("refusal" in step.expected
            ? provider.request({ method: "eth_call", params: [transaction, "pending"] })
            : provider.request({ method: "eth_sendTransaction", params: [transaction] }));
          return undefined;
        } catch (error) {
          return revertData(error);
        }
      }

      async function read(to: string, data: string): Promise<bigint[]> {
        const words = await provider.request({ method: "eth_call", params: [{ to, data }, "latest"] });
        return (String(words).slice(2).match(/.{64}/g) ?? []).map((word) => BigInt(`0x${word}`));
      }

      function decode(data: string): { name: string; args: unknown[] } {
        for (const { interface: known } of [channels, ...tokens]) {
          const parsed = known.parseError(data);
          if (parsed) return { name: parsed.name, args: [...parsed.args] };
        }
        return { name: data, args: [] };
      }

      for (let i = 0; i < steps; i++) {
        now += random.chance(0.05) ? random.pick([gracePeriod, gracePeriod - 1, 3600]) : 1;
        await provider.request({ method: "evm_setNextBlockTimestamp", params: [now] });
        if (random.chance(0.05)) {
          const account = random.pick([...payers, ...payees]).address;
          const isBlocked = random.chance(0.4);
          await tokens[1]!.getFunction("setBlocked")(account, isBlocked);
          model.setBlocked(tokenAddresses[1]!, account, isBlocked);
          continue;
        }
        if (i % 25 === 0) await compareMoney(`seed ${seed}, before step ${i}`);
        const step = draw();
        const where = `seed ${seed}, step ${i}: ${step.name}`;
        const data = await call(step);
        if ("refusal" in step.expected) {
          const { name, args } = step.expected.refusal;
          // The tokens of the test refuse a malformed signature in words of the library.
          const actual = decode(data ?? "nothing");
          expect(actual.name, where).to.equal(name);
          expect(actual.args.map(String), where).to.deep.equal(args.map(String));
          count(`${step.name} ${name}`);
          continue;
        }
        expect(data === undefined ? undefined : decode(data), where).to.equal(undefined);
        count(step.name);
        if (step.expected.result) {
          const logs = await channels.queryFilter(channels.filters.ClaimSkipped(), "latest");
          const reasons = step.expected.result.map((name) => channels.interface.getError(name)?.selector);
          expect(
            logs.map(({ args }) => args.reason),
            where,
          ).to.deep.equal(reasons);
          for (const name of step.expected.result) count(`skipped ${name}`);
        }
        for (const terms of step.terms) {
          const id = model.idOf(terms);
          const state = await read(contractAddress, getChannel + id.slice(2));
          const { deposit, settled, closeRequestedAt, finalized } = model.read(id);
          expect(state, where).to.deep.equal([deposit, settled, BigInt(closeRequestedAt), finalized ? 1n : 0n]);
        }
      }
      await compareMoney(`seed ${seed}, at the end`);

      async function compareMoney(where: string): Promise<void> {
        const distinct = new Map(stage.known.map((terms) => [model.idOf(terms), terms]));
        for (const token of tokenAddresses) {
          const balanceOf = (account: string) =>
            read(token, tokens[0]!.interface.encodeFunctionData("balanceOf", [account]));
          expect(await balanceOf(contractAddress), where).to.deep.equal([model.owed(token, distinct.values())]);
          for (const { address } of [...payers, ...payees]) {
            const credit = await read(
              contractAddress,
              channels.interface.encodeFunctionData("credit", [token, address]),
            );
            expect(await balanceOf(address), where).to.deep.equal([model.balanceOf(token, address)]);
            expect(credit, where).to.deep.equal([model.creditOf(token, address)]);
          }
        }
      }

      // Every action succeeded, and every error of the contract that these actors can meet was met.
      const succeeded = channels.interface.fragments.filter(
        (fragment) =>
          fragment.type === "function" && "stateMutability" in fragment && fragment.stateMutability === "nonpayable",
      );
      for (const fragment of succeeded)
        expect(
          outcomes.get((fragment as { name?: string }).name ?? ""),
          JSON.stringify([...outcomes]),
        ).to.be.greaterThan(0);
      if (!isDeep) return;
      const errors = channels.interface.fragments.flatMap((fragment) =>
        fragment.type === "error" && "name" in fragment ? [String(fragment.name)] : [],
      );
      const met = new Set([...outcomes.keys()].flatMap((what) => what.split(" ")));
      expect(errors.filter((name) => !met.has(name) && !unreachable.has(name))).to.deep.equal([]);
    });
  }
});

/** Errors that other tests meet: of the constructor, of hostile tokens, of ERC-5267 and of starved payouts. */
const unreachable = new Set([
  "InvalidGracePeriod",
  "UnexpectedTransferAmount",
  "InsufficientPayoutGas",
  "InvalidShortString",
  "StringTooLong",
  "ReentrancyGuardReentrantCall",
  "SafeERC20FailedOperation",
]);

function revertData(error: unknown): string {
  for (let cause = error; typeof cause === "object" && cause !== null; cause = (cause as { cause?: unknown }).cause) {
    const data = (cause as { data?: unknown }).data;
    if (typeof data === "string") return data;
    if (typeof data === "object" && data !== null && typeof (data as { data?: unknown }).data === "string") {
      return (data as { data: string }).data;
    }
  }
  throw error;
}
