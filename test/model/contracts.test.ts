// Random honest and hostile calls to the contracts, each also told to a plain model: they must agree to the base unit.
import { expect } from "chai";
import { HDNodeWallet, type Interface } from "ethers";
import { network } from "hardhat";

import { createChannelActors, type Stage, type Step } from "./channelActors.ts";
import { createChannelModel, type Terms } from "./channelModel.ts";
import { createMoneyModel } from "./moneyModel.ts";
import { createPayments } from "./payments.ts";
import { createRandom } from "./random.ts";
import { createSigning } from "./signing.ts";
import { createTaskActors, type KnownTask } from "./taskActors.ts";
import { createReviewModel, createTaskModel } from "./taskModel.ts";

/** Few steps in every test run; `npm run test:deep` names seeds, and each gets 10,000. */
const seeds = process.env.SUBFEN_SEEDS?.split(",").map(Number) ?? [13];
const isDeep = process.env.SUBFEN_SEEDS !== undefined;
const steps = isDeep ? 10_000 : 1_500;
const gracePeriod = 900;
const chainId = 31337n;

describe("The contracts against the model", function () {
  this.timeout(isDeep ? 900_000 : 120_000);

  for (const seed of seeds) {
    it(`INV1 to INV14, INV16: agree to the base unit and the error over ${steps} steps (seed ${seed})`, async () => {
      const { ethers, provider, networkHelpers } = await network.create();
      const tokens = [await ethers.deployContract("GasToken"), await ethers.deployContract("BlocklistToken")];
      const channels = await ethers.deployContract("PaymentChannels", [gracePeriod]);
      const escrow = await ethers.deployContract("TaskEscrow");
      const review = await ethers.deployContract("ReviewCondition");
      const reviewAddress = await review.getAddress();
      const [channelsAddress, escrowAddress] = [await channels.getAddress(), await escrow.getAddress()];
      const tokenAddresses = await Promise.all(tokens.map((token) => token.getAddress()));
      const deploy = async (name: string): Promise<string> => (await ethers.deployContract(name)).getAddress();
      const phrase = "test test test test test test test test test test test junk";
      const wallets = Array.from({ length: 14 }, (_, i) =>
        HDNodeWallet.fromPhrase(phrase, undefined, `m/44'/60'/0'/0/${i}`),
      );
      const everybody = wallets.slice(0, 11);
      const [payers, payees] = [wallets.slice(0, 3), wallets.slice(3, 6)];

      const random = createRandom(seed);
      const money = createMoneyModel(tokenAddresses);
      const channelModel = createChannelModel({ contract: channelsAddress, chainId, gracePeriod, money });
      const taskModel = createTaskModel({ contract: escrowAddress, chainId, money });
      let now = 0;
      for (const [i, token] of tokens.entries()) {
        for (const payer of payers) {
          await token.mint(payer.address, 5_000_000n);
          money.mint(tokenAddresses[i]!, payer.address, 5_000_000n);
          const asPayer = token.connect(await ethers.getSigner(payer.address));
          for (const spender of [channelsAddress, escrowAddress]) await asPayer.approve(spender, 2n ** 256n - 1n);
        }
      }
      const signing = createSigning({ random, chainId, everybody, now: () => now });
      const addresses = {
        hashlock: await deploy("HashlockCondition"),
        attestation: await deploy("AttestationCondition"),
        ticks: await deploy("TickCondition"),
        kth: await deploy("KthCondition"),
        odd: await deploy("OddCondition"),
      };
      now = await networkHelpers.time.latest();
      /** Times at which something begins or ends. */
      const turningPoints = new Set<number>();
      const stage: Stage = {
        random,
        chainId,
        tokens: tokenAddresses,
        noToken: "0x00000000000000000000000000000000000000AA",
        payers,
        payees,
        signers: wallets.slice(6, 8),
        strangers: wallets.slice(8, 11),
        everybody,
        signing,
        payments: createPayments({ random, chainId, addresses, evaluators: wallets.slice(11, 14), signing }),
        now: () => now,
        isNear(time) {
          if (time > now && time < now + 500_000) turningPoints.add(time);
          return Math.abs(time - now) <= 1;
        },
      };
      const [knownTerms, knownTasks]: [Terms[], KnownTask[]] = [[], []];
      const draws = [
        createChannelActors(stage, {
          model: channelModel,
          contract: channels.interface as unknown as Interface,
          address: channelsAddress,
          known: knownTerms,
        }),
        createTaskActors(stage, {
          model: taskModel,
          escrow: escrow.interface as unknown as Interface,
          address: escrowAddress,
          reviewModel: createReviewModel(),
          review: review.interface as unknown as Interface,
          reviewAddress,
          known: knownTasks,
        }),
      ].flat();
      const outcomes = new Map<string, number>();
      const count = (what: string): void => void outcomes.set(what, (outcomes.get(what) ?? 0) + 1);

      /** What the model refuses is only called, which is faster: should it succeed, the step has failed all the same. */
      async function call(step: Step): Promise<string | undefined> {
        const transaction = { from: step.from, to: step.to, data: step.data, gas: "0x5b8d80" };
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
        for (const { interface: known } of [channels, escrow, review, ...tokens]) {
          const parsed = known.parseError(data);
          if (parsed) return { name: parsed.name, args: [...parsed.args] };
        }
        return { name: data, args: [] };
      }

      for (let i = 0; i < steps; i++) {
        now = nextTime();
        await provider.request({ method: "evm_setNextBlockTimestamp", params: [now] });
        if (random.chance(0.05)) {
          const account = random.pick([...payers, ...payees]).address;
          const isBlocked = random.chance(0.4);
          await tokens[1]!.getFunction("setBlocked")(account, isBlocked);
          money.setBlocked(tokenAddresses[1]!, account, isBlocked);
          continue;
        }
        if (i % 25 === 0) await compareMoney(`seed ${seed}, before step ${i}`);
        const step = random.pick(draws)();
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
        for (const { data: question, expected } of step.reads) {
          expect(await read(step.to, question), where).to.deep.equal(expected());
        }
      }
      await compareMoney(`seed ${seed}, at the end`);

      /** Mostly the next second; now and then later, or to where something begins or ends. */
      function nextTime(): number {
        for (const time of turningPoints) if (time <= now) turningPoints.delete(time);
        if (turningPoints.size > 0 && random.chance(0.05)) return Math.min(...turningPoints);
        return now + (random.chance(0.03) ? random.pick([gracePeriod, gracePeriod - 1, 3600]) : 1);
      }

      async function compareMoney(where: string): Promise<void> {
        const terms = [...new Map(knownTerms.map((one) => [channelModel.idOf(one), one])).values()];
        const tasks = [...new Map(knownTasks.map(({ task }) => [taskModel.idOf(task), task])).values()];
        const custodies = [
          { address: channelsAddress, owed: (token: string) => channelModel.owed(token, terms), of: channelModel },
          { address: escrowAddress, owed: (token: string) => taskModel.owed(token, tasks), of: taskModel },
        ];
        for (const token of tokenAddresses) {
          const balanceOf = (account: string) =>
            read(token, tokens[0]!.interface.encodeFunctionData("balanceOf", [account]));
          for (const { address } of [...payers, ...payees]) {
            expect(await balanceOf(address), where).to.deep.equal([money.balanceOf(token, address)]);
          }
          for (const { address, owed, of } of custodies) {
            expect(await balanceOf(address), where).to.deep.equal([owed(token)]);
            for (const { address: account } of [...payers, ...payees]) {
              const credit = await read(address, channels.interface.encodeFunctionData("credit", [token, account]));
              expect(credit, where).to.deep.equal([of.creditOf(token, account)]);
            }
          }
        }
      }

      // Every action succeeded, and every error of the contract that these actors can meet was met.
      const fragments = [channels, escrow, review].flatMap((contract) => [...contract.interface.fragments]);
      for (const fragment of fragments) {
        if (!("stateMutability" in fragment && "name" in fragment) || fragment.type !== "function") continue;
        if (fragment.stateMutability !== "nonpayable") continue;
        expect(outcomes.get(String(fragment.name)), JSON.stringify([...outcomes])).to.be.greaterThan(0);
      }
      if (!isDeep) return;
      const errors = fragments.flatMap((fragment) =>
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
