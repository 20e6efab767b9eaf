import { expect } from "chai";
import { keccak256 } from "ethers";
import { network } from "hardhat";

import { saltOf } from "../helpers/channels.ts";
import { reviewParameters } from "../helpers/conditions.ts";
import { authorizeFund, deployEscrow, taskIdOf, taskOf } from "../helpers/tasks.ts";

const connection = await network.create();
const { ethers } = connection;
const { time } = connection.networkHelpers;

describe("a task under review", () => {
  // ReviewCondition does not know tasks: IReviewCondition warns, and this shows what an authorization must not outlive.
  for (const [what, validFor, paid] of [
    [
      "a provider that holds an authorization beyond the review period is paid for what nobody could review",
      7_200n,
      1000n,
    ],
    ["a provider whose authorization ends within the review period cannot fund after it", 3_600n, 0n],
  ] as const) {
    it(what, async () => {
      const world = await deployEscrow(connection);
      const { escrow, client, provider, stranger, deadline, token } = world;
      const review = await ethers.deployContract("ReviewCondition");
      const parameters = reviewParameters({
        provider: provider.address,
        reviewer: client.address,
        arbiter: stranger.address,
        reviewPeriod: 3_600n,
        arbitrationPeriod: 3_600n,
        deadline,
        silentArbiterPays: false,
      });
      const condition = await review.getAddress();
      const wanted = taskOf(world, { amount: 1000n, condition, parametersHash: keccak256(parameters) });
      const now = BigInt(await time.latest());
      const { task, validAfter, validBefore, signature } = await authorizeFund(world, wanted, {
        validBefore: now + validFor,
      });

      await review.connect(provider).submit(taskIdOf(world, task), parameters, saltOf(9));
      await time.increase(3_601n);
      const funding = escrow.connect(provider).fundWithAuthorization(task, validAfter, validBefore, signature);
      if (paid === 0n) {
        await expect(funding).to.be.revertedWithCustomError(token, "AuthorizationExpired").withArgs(validBefore);
      } else {
        await funding;
        await escrow.connect(provider).claim(task, parameters, "0x");
      }
      expect(await token.balanceOf(provider)).to.equal(paid);
    });
  }
});
