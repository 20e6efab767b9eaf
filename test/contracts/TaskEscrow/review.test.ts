import { expect } from "chai";
import { keccak256 } from "ethers";
import { network } from "hardhat";

import { saltOf } from "../helpers/channels.ts";
import { reviewParameters } from "../helpers/conditions.ts";
import { authorizeFund, DAY, deployEscrow, taskIdOf, taskOf } from "../helpers/tasks.ts";

const connection = await network.create();
const { ethers } = connection;
const { time } = connection.networkHelpers;

describe("a task under review", () => {
  it("cannot be submitted before it is funded: its reviewer would have no time to object", async () => {
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
    const wanted = taskOf(world, { condition, parametersHash: keccak256(parameters) });

    // The provider has the client's authorization, and keeps it until the review period of a submission is over.
    const { task, validAfter, validBefore, signature } = await authorizeFund(world, wanted);
    const taskId = taskIdOf(world, task);
    await review.connect(provider).submit(taskId, parameters, saltOf(9));
    await time.increase(3_601n);
    await escrow.connect(provider).fundWithAuthorization(task, validAfter, validBefore, signature);
    const reviewed = escrow.connect(provider).claim(task, parameters, "0x");
    await reviewed.catch(() => undefined);

    expect(await token.balanceOf(provider), "paid without work and without a review").to.equal(0n);
    expect(deadline).to.be.above(DAY);
  });
});
