import { expect } from "chai";
import { keccak256 } from "ethers";
import { network } from "hardhat";

import { saltOf } from "../helpers/channels.ts";
import { reviewParameters } from "../helpers/conditions.ts";
import { AMOUNT, DAY, deployEscrow, type Task, taskIdOf, taskOf } from "../helpers/tasks.ts";

// Everything happens at chosen seconds, some of it in the same one.
const connection = await network.create({ override: { allowBlocksWithSameTimestamp: true } });
const { ethers } = connection;
const { loadFixture, takeSnapshot, time } = connection.networkHelpers;

const REVIEW = 100n;
const ARBITRATION = 200n;
const NAMED = 400n;

/** Explores more seconds, what happens after the end, and both kinds of arbiters, as `npm run test:deep` does. */
const isDeep = process.env["SUBFEN_ORDERS"] === "all";

/** What the client releases by itself: as much as the arbiter names leaves fewer states. */
const RELEASED = isDeep ? 700n : NAMED;

/** Seconds from the first on, between which something may change: the last of each period and the one after. */
const DEADLINE = REVIEW + ARBITRATION + DAY;
const ofArbiter = isDeep ? [REVIEW + ARBITRATION, REVIEW + ARBITRATION + 1n] : [];
const moments = [0n, REVIEW, REVIEW + 1n, ...ofArbiter, DEADLINE, DEADLINE + 1n];

/** What a task under review should be, told without the contracts. */
type State = {
  moment: number;
  task: "none" | "open" | "closed";
  released: bigint;
  refunded: bigint;
  submittedAt: bigint | undefined;
  objectedAt: bigint | undefined;
  named: bigint | undefined;
};

const operations = [
  "fund",
  "submit",
  "object",
  "arbitrate",
  "claim",
  "release",
  "refund by the provider",
  "refund by anyone",
  "wait",
] as const;
type Operation = (typeof operations)[number];

const pay = (state: State, released: bigint): State | undefined =>
  state.task !== "open" || released <= state.released
    ? undefined
    : { ...state, released, task: released === AMOUNT ? "closed" : "open" };

const refund = (state: State): State | undefined =>
  state.task === "open" ? { ...state, task: "closed", refunded: AMOUNT - state.released } : undefined;

/** What is due, by the rules as they are told in words. */
function dueIn({ moment, submittedAt, objectedAt, named }: State, silentArbiterPays: boolean): bigint {
  const now = moments[moment]!;
  if (submittedAt === undefined) return 0n;
  if (objectedAt === undefined) return now > submittedAt + REVIEW ? AMOUNT : 0n;
  if (named !== undefined) return named;
  return now > objectedAt + ARBITRATION && silentArbiterPays ? AMOUNT : 0n;
}

/** The state after an operation; undefined where it must be refused. */
function expectedAfter(state: State, operation: Operation, silentArbiterPays: boolean): State | undefined {
  const now = moments[state.moment]!;
  switch (operation) {
    case "fund":
      return state.task === "none" && now <= DEADLINE ? { ...state, task: "open" } : undefined;
    case "submit":
      // Anything later would leave less than a day to claim.
      return state.submittedAt === undefined && now === 0n ? { ...state, submittedAt: now } : undefined;
    case "object":
      return state.submittedAt !== undefined && state.objectedAt === undefined && now <= state.submittedAt + REVIEW
        ? { ...state, objectedAt: now }
        : undefined;
    case "arbitrate":
      return state.objectedAt !== undefined && state.named === undefined && now <= state.objectedAt + ARBITRATION
        ? { ...state, named: NAMED }
        : undefined;
    case "claim":
      return now <= DEADLINE ? pay(state, dueIn(state, silentArbiterPays)) : undefined;
    case "release":
      return pay(state, RELEASED);
    case "refund by the provider":
      return refund(state);
    case "refund by anyone":
      return now > DEADLINE ? refund(state) : undefined;
    case "wait":
      return state.moment + 1 < moments.length ? { ...state, moment: state.moment + 1 } : undefined;
  }
}

async function agreed() {
  const world = await deployEscrow(connection);
  const review = await ethers.deployContract("ReviewCondition");
  // A little later than now, whatever the setting up took.
  const first = BigInt(await time.latest()) + 1_000n;
  return { ...world, review, first };
}

type World = Awaited<ReturnType<typeof agreed>> & { task: Task; parameters: string };

/** The function called, by whom, with which arguments. */
function callOf({ escrow, review, task, parameters, ...world }: World, operation: Exclude<Operation, "wait">) {
  const taskId = taskIdOf({ escrow, ...world } as World, task);
  const { client, provider, stranger, relayer, sponsor } = world;
  const call = {
    fund: [client, escrow, "fund", [task]],
    submit: [provider, review, "submit", [taskId, parameters, saltOf(3)]],
    object: [stranger, review, "object", [taskId, parameters, saltOf(4)]],
    arbitrate: [sponsor, review, "arbitrate", [taskId, parameters, NAMED]],
    claim: [relayer, escrow, "claim", [task, parameters, "0x"]],
    release: [client, escrow, "release", [task, RELEASED]],
    "refund by the provider": [provider, escrow, "refund", [task]],
    "refund by anyone": [relayer, escrow, "refund", [task]],
  } as const;
  const [sender, contract, name, values] = call[operation];
  return {
    sender,
    to: contract,
    data: (contract.interface as typeof escrow.interface).encodeFunctionData(name as "fund", values as never),
  };
}

const describeState = (state: State): string =>
  Object.entries(state)
    .map(([key, value]) => `${key} ${value}`)
    .join(", ");

describe("TaskEscrow and ReviewCondition: all orders of everything", () => {
  for (const silentArbiterPays of isDeep ? [true, false] : [true])
    it(`F030, F039, INV16: with an arbiter whose silence pays ${silentArbiterPays ? "all" : "nothing"}`, async () => {
      const { first, ...base } = await loadFixture(agreed);
      const { escrow, token, parties } = base;
      const parameters = reviewParameters({
        provider: parties.provider,
        reviewer: parties.stranger,
        arbiter: parties.sponsor,
        reviewPeriod: REVIEW,
        arbitrationPeriod: ARBITRATION,
        deadline: first + DEADLINE,
        silentArbiterPays,
      });
      const task = taskOf(base, {
        condition: await base.review.getAddress(),
        parametersHash: keccak256(parameters),
        deadline: first + DEADLINE,
      });
      const world: World = { ...base, first, task, parameters };
      const taskId = taskIdOf(world, task);
      const startOf = {
        client: await token.balanceOf(parties.client),
        provider: await token.balanceOf(parties.provider),
      };
      const gasLimit = 500_000n;

      const timeOf = ({ moment }: State): bigint => first + moments[moment]!;
      const send = async (operation: Exclude<Operation, "wait">, at: bigint) => {
        const { sender, to, data } = callOf(world, operation);
        await time.setNextBlockTimestamp(at);
        await sender.sendTransaction({ to, data, gasLimit });
      };
      const isAccepted = async (operation: Exclude<Operation, "wait">): Promise<boolean> => {
        const { sender, to, data } = callOf(world, operation);
        return ethers.provider.call({ from: sender.address, to, data, gasLimit }).then(
          () => true,
          () => false,
        );
      };
      const check = async (state: State) => {
        const name = describeState(state);
        const [{ funded, released, closed }, provider, client, contract] = await Promise.all([
          escrow.getTask(taskId),
          ...(["provider", "client", "contract"] as const).map((party) => token.balanceOf(parties[party])),
        ]);
        const isFunded = state.task !== "none";
        const stored = [isFunded ? AMOUNT : 0n, state.released, state.task === "closed"];
        expect([funded, released, closed], name).to.deep.equal(stored);
        // Money left the task once, in two directions, and what is in it is still there.
        const inside = isFunded ? AMOUNT - state.released - state.refunded : 0n;
        expect([provider, client, contract], name).to.deep.equal([
          startOf.provider + state.released,
          startOf.client - (isFunded ? AMOUNT : 0n) + state.refunded,
          inside,
        ]);
        if (state.task === "closed") expect(inside, name).to.equal(0n);
      };

      const seen = new Set<string>();
      let refusals = 0;
      const explore = async (state: State): Promise<void> => {
        const key = describeState(state);
        seen.add(key);
        await check(state);
        const here = await takeSnapshot();

        const nexts = operations.map(
          (operation) => [operation, expectedAfter(state, operation, silentArbiterPays)] as const,
        );
        await Promise.all(
          nexts.map(async ([operation, next]) => {
            if (next || operation === "wait") return;
            expect(await isAccepted(operation), `${operation} in ${key}`).to.equal(false);
            refusals++;
          }),
        );
        // What is refused here is refused whatever the reviewer and the arbiter do now.
        if (state.task === "closed" && !isDeep) return;
        for (const [operation, next] of nexts) {
          // A state that is known already is reached all the same, so that each step is compared with the contract.
          if (!next) continue;
          if (operation === "wait") await time.increaseTo(timeOf(next));
          else await send(operation, timeOf(state));
          if (seen.has(describeState(next))) await check(next);
          else await explore(next);
          await here.restore();
        }

        if (state.task !== "open") return;
        // Whatever the others do or leave undone, time and one stranger end it.
        await send("refund by anyone", first + DEADLINE + 1n);
        await check({ ...refund(state)!, moment: moments.length - 1 });
        await here.restore();
      };

      const start: State = {
        moment: 0,
        task: "none",
        released: 0n,
        refunded: 0n,
        submittedAt: undefined,
        objectedAt: undefined,
        named: undefined,
      };
      await time.increaseTo(first);
      await explore(start);
      // So many that no part of it can have been left out.
      expect(seen.size).to.be.greaterThan(60);
      expect(refusals).to.be.greaterThan(500);
    });
});
