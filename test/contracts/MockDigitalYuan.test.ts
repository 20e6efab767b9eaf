import { readFileSync } from "node:fs";

import { expect } from "chai";
import { network } from "hardhat";

import type { MockDigitalYuan } from "../../types/index.ts";
import { createRandom } from "../sdk/protocol/random.ts";
import {
  asCompact,
  balancesOf,
  eventsOf,
  forms,
  sendAuthorization,
  sendCancellation,
  sendPermit,
  signForToken,
  tokenDomain,
  tokenTypes,
  type TransferAuthorization,
  withBareV,
  withHighS,
  yuan,
} from "./helpers/token.ts";

// Noon in China, so that a test stays within one day unless it says otherwise.
const { ethers, networkHelpers } = await network.create({ override: { initialDate: "2026-03-01T04:00:00Z" } });
const { loadFixture, time } = networkHelpers;

const vectors = JSON.parse(readFileSync(new URL("../fixtures/vectors.json", import.meta.url), "utf8")) as {
  contract: string;
  token: string;
  key: string;
  tokenDomain: { name: string; version: string; chainId: number; verifyingContract: string };
  openWithAuthorization: {
    deposit: string;
    validAfter: string;
    validBefore: string;
    nonce: string;
    digest: string;
    signature: string;
  };
};

const FAUCET_LIMIT = yuan(500_000);
const NO_LIMIT = 2n ** 80n - 1n;
const MAX_UINT256 = 2n ** 256n - 1n;
const nonce = ethers.id("nonce");
const magicValue = "0x1626ba7e";

const limitsOfClass: Record<number, [singleLimit: bigint, dailyLimit: bigint, balanceLimit: bigint]> = {
  1: [NO_LIMIT, NO_LIMIT, NO_LIMIT],
  2: [yuan(50_000), yuan(100_000), yuan(500_000)],
  3: [yuan(5_000), yuan(10_000), yuan(20_000)],
  4: [yuan(2_000), yuan(5_000), yuan(10_000)],
};

type Account = Awaited<ReturnType<typeof ethers.getSigner>>;
type Method = "transferWithAuthorization" | "receiveWithAuthorization";

const typeOf = {
  transferWithAuthorization: "TransferWithAuthorization",
  receiveWithAuthorization: "ReceiveWithAuthorization",
} as const;

const getAccounts = async () => (await ethers.getSigners()) as [Account, Account, Account, Account, Account];

async function deployToken() {
  const [operator, alice, bob, carol, stranger] = await getAccounts();
  const token = await ethers.deployContract("MockDigitalYuan", [operator.address]);
  await token.faucet(alice, yuan(200_000));
  await token.faucet(bob, yuan(1_000));
  return { token, operator, alice, bob, carol, stranger };
}

async function deployWallet() {
  const fixture = await loadFixture(deployToken);
  const wallet = await ethers.deployContract("ERC1271Wallet", [fixture.alice.address]);
  await fixture.token.faucet(wallet, yuan(1_000));
  return { ...fixture, wallet };
}

const authorizationOf = (
  from: string,
  to: string,
  value: bigint,
  changes: Partial<TransferAuthorization> = {},
): TransferAuthorization => ({ from, to, value, validAfter: 0n, validBefore: MAX_UINT256, nonce, ...changes });

/** Alice's authorization of 25 yuan to bob; the token is connected to who may send it. */
async function authorize(method: Method, changes: Partial<TransferAuthorization> = {}) {
  const fixture = await loadFixture(deployToken);
  const { token, alice, bob, stranger } = fixture;
  const authorization = authorizationOf(alice.address, bob.address, yuan(25), changes);
  const signature = await signForToken(alice, token, typeOf[method], authorization);
  const sender = method === "receiveWithAuthorization" ? bob : stranger;
  return { ...fixture, token: token.connect(sender), authorization, signature };
}

/** The same by the contract wallet that alice owns. */
async function authorizeByWallet(method: Method) {
  const fixture = await deployWallet();
  const { token, wallet, alice, bob, stranger } = fixture;
  const authorization = authorizationOf(await wallet.getAddress(), bob.address, yuan(25));
  const signature = await signForToken(alice, token, typeOf[method], authorization);
  const sender = method === "receiveWithAuthorization" ? bob : stranger;
  return { ...fixture, token: token.connect(sender), authorization, signature };
}

async function signCancellation() {
  const fixture = await loadFixture(deployToken);
  const { token, alice } = fixture;
  const signature = await signForToken(alice, token, "CancelAuthorization", { authorizer: alice.address, nonce });
  return { ...fixture, signature };
}

/** Alice's permit of 7 yuan to carol, good for 100 seconds. */
async function signPermit() {
  const fixture = await loadFixture(deployToken);
  const { token, alice, carol } = fixture;
  const deadline = BigInt(await time.latest()) + 100n;
  const permit = { owner: alice.address, spender: carol.address, value: yuan(7), deadline };
  const signature = await signForToken(alice, token, "Permit", { ...permit, nonce: 0n });
  return { ...fixture, permit, signature };
}

const getClassLimits = async (token: MockDigitalYuan, walletClass: number) => [
  ...(await token.getClassLimits(walletClass)),
];

const setLimits = async (token: MockDigitalYuan, walletClass: number, limits: [bigint, bigint, bigint]) =>
  token.setClassLimits(walletClass, { singleLimit: limits[0], dailyLimit: limits[1], balanceLimit: limits[2] });

type Fixture = Awaited<ReturnType<typeof deployToken>>;

/** Every way in which alice can pay bob. */
const paymentsToBob: Record<string, (fixture: Fixture, value: bigint) => Promise<unknown>> = {
  transfer: ({ token, alice, bob }, value) => token.connect(alice).transfer(bob, value),
  transferFrom: async ({ token, alice, bob, carol }, value) => {
    await token.connect(alice).approve(carol, value);
    return token.connect(carol).transferFrom(alice, bob, value);
  },
  transferWithAuthorization: async ({ token, alice, bob, stranger }, value) => {
    const authorization = authorizationOf(alice.address, bob.address, value);
    const signature = await signForToken(alice, token, "TransferWithAuthorization", authorization);
    return sendAuthorization(token.connect(stranger), "transferWithAuthorization", "bytes", authorization, signature);
  },
  receiveWithAuthorization: async ({ token, alice, bob }, value) => {
    const authorization = authorizationOf(alice.address, bob.address, value);
    const signature = await signForToken(alice, token, "ReceiveWithAuthorization", authorization);
    return sendAuthorization(token.connect(bob), "receiveWithAuthorization", "(v, r, s)", authorization, signature);
  },
};

describe("MockDigitalYuan", () => {
  describe("constructor", () => {
    it("makes an ERC-20 of 6 decimals without supply, whose operator is whoever was named", async () => {
      const [, operator] = await getAccounts();
      const token = await ethers.deployContract("MockDigitalYuan", [operator.address], operator);
      expect(await token.name()).to.equal("Mock Digital Yuan");
      expect(await token.symbol()).to.equal("e-CNY");
      expect(await token.decimals()).to.equal(6);
      expect(await token.totalSupply()).to.equal(0);
      expect(await token.operator()).to.equal(operator.address);
      expect(await token.pendingOperator()).to.equal(ethers.ZeroAddress);
      expect(await token.FAUCET_LIMIT()).to.equal(FAUCET_LIMIT);
      expect(await token.DEFAULT_WALLET_CLASS()).to.equal(2);
    });

    it("sets the limits of four classes, and tells all it sets in events", async () => {
      const [, operator] = await getAccounts();
      const token = await ethers.deployContract("MockDigitalYuan", [operator.address], operator);
      for (const [walletClass, limits] of Object.entries(limitsOfClass))
        expect(await getClassLimits(token, Number(walletClass))).to.deep.equal(limits);
      expect(await eventsOf(token, token.deploymentTransaction()!)).to.deep.equal([
        ["OperatorTransferred", ethers.ZeroAddress, operator.address],
        ...Object.entries(limitsOfClass).map(([walletClass, limits]) => [
          "ClassLimitsSet",
          BigInt(walletClass),
          limits,
        ]),
      ]);
    });

    it("refuses an operator that is nobody", async () => {
      const { token } = await loadFixture(deployToken);
      await expect(ethers.deployContract("MockDigitalYuan", [ethers.ZeroAddress]))
        .to.be.revertedWithCustomError(token, "InvalidOperator")
        .withArgs(ethers.ZeroAddress);
    });
  });

  describe("eip712Domain, DOMAIN_SEPARATOR, version", () => {
    it("are those of the vectors", async () => {
      const { token } = await loadFixture(deployToken);
      const { name, version, chainId, verifyingContract } = vectors.tokenDomain;
      // The vectors were made for the first contract of the first account, which this one is.
      expect(await token.getAddress()).to.equal(verifyingContract);
      expect([...(await token.eip712Domain())]).to.deep.equal([
        "0x0f",
        name,
        version,
        BigInt(chainId),
        verifyingContract,
        ethers.ZeroHash,
        [],
      ]);
      expect(await token.version()).to.equal(version);
      expect(await token.DOMAIN_SEPARATOR()).to.equal(ethers.TypedDataEncoder.hashDomain(vectors.tokenDomain));
      expect(tokenDomain(verifyingContract)).to.deep.equal({ ...vectors.tokenDomain, chainId: BigInt(chainId) });
    });
  });

  describe("faucet", () => {
    it("mints to anyone for anyone", async () => {
      const { token, operator, alice, bob, carol, stranger } = await loadFixture(deployToken);
      const transaction = await token.connect(stranger).faucet(carol, yuan(10_000));
      expect(await eventsOf(token, transaction)).to.deep.equal([
        ["Transfer", ethers.ZeroAddress, carol.address, yuan(10_000)],
      ]);
      expect(await balancesOf(token, [operator, alice, bob, carol, stranger])).to.deep.equal([
        0n,
        yuan(200_000),
        yuan(1_000),
        yuan(10_000),
        0n,
      ]);
      expect(await token.totalSupply()).to.equal(yuan(211_000));
    });

    it("gives up to its limit in one call, and again in the next", async () => {
      const { token, operator, carol } = await loadFixture(deployToken);
      await token.connect(operator).setExempt(carol, true);
      await token.faucet(carol, FAUCET_LIMIT);
      await expect(token.faucet(carol, FAUCET_LIMIT + 1n))
        .to.be.revertedWithCustomError(token, "FaucetLimitExceeded")
        .withArgs(FAUCET_LIMIT + 1n, FAUCET_LIMIT);
      await expect(token.faucet(carol, MAX_UINT256))
        .to.be.revertedWithCustomError(token, "FaucetLimitExceeded")
        .withArgs(MAX_UINT256, FAUCET_LIMIT);
      await token.faucet(carol, FAUCET_LIMIT);
      expect(await token.balanceOf(carol)).to.equal(2n * FAUCET_LIMIT);
    });

    it("fills a wallet of the default class to its balance limit, and not beyond", async () => {
      const { token, bob } = await loadFixture(deployToken);
      const limit = limitsOfClass[2]![2];
      await expect(token.faucet(bob, limit - yuan(1_000) + 1n))
        .to.be.revertedWithCustomError(token, "BalanceLimitExceeded")
        .withArgs(bob.address, limit + 1n, limit);
      await token.faucet(bob, limit - yuan(1_000));
      expect(await token.balanceOf(bob)).to.equal(limit);
    });

    it("gives nothing to a frozen account or the zero address", async () => {
      const { token, carol } = await loadFixture(deployToken);
      await token.setFrozen(carol, true);
      await expect(token.faucet(carol, 1n))
        .to.be.revertedWithCustomError(token, "AccountFrozen")
        .withArgs(carol.address);
      await expect(token.faucet(ethers.ZeroAddress, 1n))
        .to.be.revertedWithCustomError(token, "ERC20InvalidReceiver")
        .withArgs(ethers.ZeroAddress);
    });

    it("is nobody's spending, and cannot be stopped by freezing the zero address", async () => {
      const { token, carol } = await loadFixture(deployToken);
      await token.setFrozen(ethers.ZeroAddress, true);
      await token.setWalletClass(ethers.ZeroAddress, 4);
      await token.faucet(carol, yuan(50_000));
      expect(await token.spentToday(ethers.ZeroAddress)).to.equal(0);
      expect(await token.spentToday(carol)).to.equal(0);
    });
  });

  describe("transfer", () => {
    it("moves the amount and counts it as spent by the sender", async () => {
      const { token, operator, alice, bob, carol } = await loadFixture(deployToken);
      const transaction = await token.connect(alice).transfer(bob, 1n);
      expect(await eventsOf(token, transaction)).to.deep.equal([["Transfer", alice.address, bob.address, 1n]]);
      expect(await balancesOf(token, [operator, alice, bob, carol])).to.deep.equal([
        0n,
        yuan(200_000) - 1n,
        yuan(1_000) + 1n,
        0n,
      ]);
      expect(await token.spentToday(alice)).to.equal(1);
      expect(await token.spentToday(bob)).to.equal(0);
    });

    it("moves a whole balance, and refuses more", async () => {
      const { token, bob, carol } = await loadFixture(deployToken);
      await expect(token.connect(bob).transfer(carol, yuan(1_000) + 1n))
        .to.be.revertedWithCustomError(token, "ERC20InsufficientBalance")
        .withArgs(bob.address, yuan(1_000), yuan(1_000) + 1n);
      await expect(token.connect(bob).transfer(carol, MAX_UINT256))
        .to.be.revertedWithCustomError(token, "ERC20InsufficientBalance")
        .withArgs(bob.address, yuan(1_000), MAX_UINT256);
      await token.connect(bob).transfer(carol, yuan(1_000));
      expect(await balancesOf(token, [bob, carol])).to.deep.equal([0n, yuan(1_000)]);
    });

    it("refuses the zero address", async () => {
      const { token, alice } = await loadFixture(deployToken);
      await expect(token.connect(alice).transfer(ethers.ZeroAddress, 1n))
        .to.be.revertedWithCustomError(token, "ERC20InvalidReceiver")
        .withArgs(ethers.ZeroAddress);
    });

    it("moves nothing between any accounts, whatever their limits are", async () => {
      const { token, alice, bob, carol } = await loadFixture(deployToken);
      await token.connect(alice).transfer(bob, 5n);
      await setLimits(token, 2, [0n, 0n, 0n]);
      const transaction = await token.connect(alice).transfer(bob, 0n);
      expect(await eventsOf(token, transaction)).to.deep.equal([["Transfer", alice.address, bob.address, 0n]]);
      await token.connect(carol).transfer(alice, 0n);
      expect(await balancesOf(token, [alice, bob, carol])).to.deep.equal([yuan(200_000) - 5n, yuan(1_000) + 5n, 0n]);
      expect(await token.spentToday(alice)).to.equal(5);
    });

    it("to oneself changes and counts nothing, whatever the limits are", async () => {
      const { token, alice } = await loadFixture(deployToken);
      await setLimits(token, 2, [0n, 0n, 0n]);
      const transaction = await token.connect(alice).transfer(alice, yuan(200_000));
      expect(await eventsOf(token, transaction)).to.deep.equal([
        ["Transfer", alice.address, alice.address, yuan(200_000)],
      ]);
      expect(await token.balanceOf(alice)).to.equal(yuan(200_000));
      expect(await token.totalSupply()).to.equal(yuan(201_000));
      expect(await token.spentToday(alice)).to.equal(0);
      await expect(token.connect(alice).transfer(alice, yuan(200_000) + 1n))
        .to.be.revertedWithCustomError(token, "ERC20InsufficientBalance")
        .withArgs(alice.address, yuan(200_000), yuan(200_000) + 1n);
    });

    it("fills the recipient to its balance limit, and not beyond", async () => {
      const { token, alice, bob } = await loadFixture(deployToken);
      const limit = limitsOfClass[2]![2];
      await token.faucet(bob, limit - yuan(1_000) - 10n);
      await expect(token.connect(alice).transfer(bob, 11n))
        .to.be.revertedWithCustomError(token, "BalanceLimitExceeded")
        .withArgs(bob.address, limit + 1n, limit);
      await token.connect(alice).transfer(bob, 10n);
      expect(await token.balanceOf(bob)).to.equal(limit);
    });

    for (const [way, pay] of Object.entries(paymentsToBob)) {
      it(`and ${way}: one payment up to the single limit, and not beyond`, async () => {
        const fixture = await loadFixture(deployToken);
        const { token, alice, bob } = fixture;
        const limit = limitsOfClass[2]![0];
        await expect(pay(fixture, limit + 1n))
          .to.be.revertedWithCustomError(token, "SingleLimitExceeded")
          .withArgs(alice.address, limit + 1n, limit);
        await pay(fixture, limit);
        expect(await balancesOf(token, [alice, bob])).to.deep.equal([yuan(150_000), yuan(51_000)]);
        expect(await token.spentToday(alice)).to.equal(limit);
      });

      it(`and ${way}: payments of a day up to the daily limit, and not beyond`, async () => {
        const fixture = await loadFixture(deployToken);
        const { token, alice, bob, carol } = fixture;
        const limit = limitsOfClass[2]![1];
        await token.connect(alice).transfer(carol, yuan(50_000));
        await token.connect(alice).transfer(carol, yuan(49_990));
        await expect(pay(fixture, yuan(10) + 1n))
          .to.be.revertedWithCustomError(token, "DailyLimitExceeded")
          .withArgs(alice.address, limit + 1n, limit);
        await pay(fixture, yuan(10));
        expect(await balancesOf(token, [alice, bob, carol])).to.deep.equal([yuan(100_000), yuan(1_010), yuan(99_990)]);
        expect(await token.spentToday(alice)).to.equal(limit);
      });
    }
  });

  describe("transferFrom", () => {
    it("spends the allowance and the owner's limits, not the spender's", async () => {
      const { token, alice, bob, carol } = await loadFixture(deployToken);
      await token.setWalletClass(carol, 4);
      await token.connect(alice).approve(carol, yuan(40_000));
      const transaction = await token.connect(carol).transferFrom(alice, bob, yuan(30_000));
      expect(await eventsOf(token, transaction)).to.deep.equal([
        ["Transfer", alice.address, bob.address, yuan(30_000)],
      ]);
      expect(await balancesOf(token, [alice, bob, carol])).to.deep.equal([yuan(170_000), yuan(31_000), 0n]);
      expect(await token.allowance(alice, carol)).to.equal(yuan(10_000));
      expect(await token.spentToday(alice)).to.equal(yuan(30_000));
      expect(await token.spentToday(carol)).to.equal(0);
      await expect(token.connect(carol).transferFrom(alice, bob, yuan(10_000) + 1n))
        .to.be.revertedWithCustomError(token, "ERC20InsufficientAllowance")
        .withArgs(carol.address, yuan(10_000), yuan(10_000) + 1n);
    });

    it("moves nothing without an allowance", async () => {
      const { token, alice, bob, carol } = await loadFixture(deployToken);
      const transaction = await token.connect(carol).transferFrom(alice, bob, 0n);
      expect(await eventsOf(token, transaction)).to.deep.equal([["Transfer", alice.address, bob.address, 0n]]);
    });
  });

  describe("permit", () => {
    it("approves by signature until the deadline, its last second included", async () => {
      const { token, alice, bob, carol, stranger, permit, signature } = await signPermit();
      await time.setNextBlockTimestamp(permit.deadline);
      const transaction = await sendPermit(token.connect(stranger), permit, signature);
      expect(await eventsOf(token, transaction)).to.deep.equal([["Approval", alice.address, carol.address, yuan(7)]]);
      expect(await token.nonces(alice)).to.equal(1);
      await token.connect(carol).transferFrom(alice, bob, yuan(7));
      expect(await balancesOf(token, [alice, bob])).to.deep.equal([yuan(199_993), yuan(1_007)]);
      expect(await token.allowance(alice, carol)).to.equal(0);
    });

    it("refuses a second after the deadline", async () => {
      const { token, permit, signature } = await signPermit();
      await time.setNextBlockTimestamp(permit.deadline + 1n);
      await expect(sendPermit(token, permit, signature))
        .to.be.revertedWithCustomError(token, "ERC2612ExpiredSignature")
        .withArgs(permit.deadline);
    });

    it("refuses another's signature, changed terms and a replay", async () => {
      const { token, alice, bob, permit, signature } = await signPermit();
      const byBob = await signForToken(bob, token, "Permit", { ...permit, nonce: 0n });
      await expect(sendPermit(token, permit, byBob))
        .to.be.revertedWithCustomError(token, "ERC2612InvalidSigner")
        .withArgs(bob.address, alice.address);

      const domain = tokenDomain(await token.getAddress());
      const types = { Permit: tokenTypes.Permit };
      const changed = { ...permit, value: permit.value + 1n };
      const recovered = ethers.verifyTypedData(domain, types, { ...changed, nonce: 0n }, signature);
      await expect(sendPermit(token, changed, signature))
        .to.be.revertedWithCustomError(token, "ERC2612InvalidSigner")
        .withArgs(recovered, alice.address);

      await sendPermit(token, permit, signature);
      const replayed = ethers.verifyTypedData(domain, types, { ...permit, nonce: 1n }, signature);
      await expect(sendPermit(token, permit, signature))
        .to.be.revertedWithCustomError(token, "ERC2612InvalidSigner")
        .withArgs(replayed, alice.address);
      expect(await token.nonces(alice)).to.equal(1);
    });

    it("refuses a high s and a bare v", async () => {
      const { token, permit, signature } = await signPermit();
      const mirrored = withHighS(signature);
      await expect(sendPermit(token, permit, mirrored))
        .to.be.revertedWithCustomError(token, "ECDSAInvalidSignatureS")
        .withArgs(`0x${mirrored.slice(66, 130)}`);
      await expect(sendPermit(token, permit, withBareV(signature))).to.be.revertedWithCustomError(
        token,
        "ECDSAInvalidSignature",
      );
    });
  });

  for (const method of ["transferWithAuthorization", "receiveWithAuthorization"] as const) {
    const isReceive = method === "receiveWithAuthorization";
    const type = typeOf[method];
    const otherType = typeOf[isReceive ? "transferWithAuthorization" : "receiveWithAuthorization"];

    describe(method, () => {
      for (const form of forms) {
        describe(form, () => {
          it("moves the money once", async () => {
            const { token, operator, alice, bob, carol, stranger, authorization, signature } = await authorize(method);
            expect(await token.authorizationState(alice, nonce)).to.equal(false);
            const transaction = await sendAuthorization(token, method, form, authorization, signature);
            expect(await eventsOf(token, transaction)).to.deep.equal([
              ["AuthorizationUsed", alice.address, nonce],
              ["Transfer", alice.address, bob.address, yuan(25)],
            ]);
            const balances = await balancesOf(token, [operator, alice, bob, carol, stranger]);
            expect(balances).to.deep.equal([0n, yuan(199_975), yuan(1_025), 0n, 0n]);
            expect(await token.authorizationState(alice, nonce)).to.equal(true);
            expect(await token.authorizationState(bob, nonce)).to.equal(false);

            for (const again of forms)
              await expect(sendAuthorization(token, method, again, authorization, signature))
                .to.be.revertedWithCustomError(token, "AuthorizationAlreadyUsed")
                .withArgs(alice.address, nonce);
          });

          it("takes nonces in any order, each once for all it could sign", async () => {
            const { token, alice, authorization } = await authorize(method);
            for (const another of [MAX_UINT256, 0n, 1n]) {
              const message = { ...authorization, nonce: ethers.toBeHex(another, 32) };
              await sendAuthorization(token, method, form, message, await signForToken(alice, token, type, message));
            }
            const second = { ...authorization, value: 1n, nonce: ethers.ZeroHash };
            await expect(sendAuthorization(token, method, form, second, await signForToken(alice, token, type, second)))
              .to.be.revertedWithCustomError(token, "AuthorizationAlreadyUsed")
              .withArgs(alice.address, ethers.ZeroHash);
            expect(await token.balanceOf(alice)).to.equal(yuan(199_925));
          });

          it("is good after validAfter, and not yet then", async () => {
            const validAfter = BigInt(await time.latest()) + 1_000n;
            const { token, authorization, signature } = await authorize(method, { validAfter });
            await time.setNextBlockTimestamp(validAfter);
            await expect(sendAuthorization(token, method, form, authorization, signature))
              .to.be.revertedWithCustomError(token, "AuthorizationNotYetValid")
              .withArgs(validAfter);
            await time.setNextBlockTimestamp(validAfter + 1n);
            await sendAuthorization(token, method, form, authorization, signature);
          });

          it("is good before validBefore, and no longer then", async () => {
            const validBefore = BigInt(await time.latest()) + 1_000n;
            const { token, alice, authorization, signature } = await authorize(method, { validBefore });
            await time.setNextBlockTimestamp(validBefore - 1n);
            await sendAuthorization(token, method, form, authorization, signature);
            const late = { ...authorization, nonce: ethers.id("late") };
            const lateSignature = await signForToken(alice, token, type, late);
            await time.setNextBlockTimestamp(validBefore);
            await expect(sendAuthorization(token, method, form, late, lateSignature))
              .to.be.revertedWithCustomError(token, "AuthorizationExpired")
              .withArgs(validBefore);
          });

          it("refuses every change of what was signed", async () => {
            const { token, bob, carol, authorization, signature } = await authorize(method);
            const changes: Partial<TransferAuthorization>[] = [
              { from: carol.address },
              { value: yuan(25) + 1n },
              { validAfter: 1n },
              { validBefore: MAX_UINT256 - 1n },
              { nonce: ethers.id("another") },
              // A receiver who puts itself in bob's place must be stopped by the signature alone.
              { to: carol.address },
            ];
            for (const change of changes) {
              const sender = token.connect(change.to === undefined ? bob : carol);
              const changed = { ...authorization, ...change };
              await expect(sendAuthorization(sender, method, form, changed, signature))
                .to.be.revertedWithCustomError(token, "InvalidSignature")
                .withArgs(changed.from);
            }
          });

          it("refuses a signature by another, for another purpose, token or chain", async () => {
            const { token, alice, bob, authorization } = await authorize(method);
            const signatures = [
              await signForToken(bob, token, type, authorization),
              await signForToken(alice, token, otherType, authorization),
              await signForToken(alice, token, type, authorization, { verifyingContract: bob.address }),
              await signForToken(alice, token, type, authorization, { chainId: 1 }),
              await signForToken(alice, token, type, authorization, { name: "Digital Yuan" }),
              await signForToken(alice, token, type, authorization, { version: "2" }),
            ];
            for (const signature of signatures)
              await expect(sendAuthorization(token, method, form, authorization, signature))
                .to.be.revertedWithCustomError(token, "InvalidSignature")
                .withArgs(alice.address);
          });

          it("refuses a high s, a v of 0 or 1, and what recovers nobody", async () => {
            const { token, alice, authorization, signature } = await authorize(method);
            const empty = `0x${"00".repeat(65)}`;
            for (const bad of [withHighS(signature), withBareV(signature), withHighS(withBareV(signature)), empty])
              await expect(sendAuthorization(token, method, form, authorization, bad))
                .to.be.revertedWithCustomError(token, "InvalidSignature")
                .withArgs(alice.address);
            // Recovery gives zero where it fails, which must not be taken for a signature of the zero address.
            const fromZero = { ...authorization, from: ethers.ZeroAddress, value: 0n };
            await expect(sendAuthorization(token, method, form, fromZero, empty))
              .to.be.revertedWithCustomError(token, "InvalidSignature")
              .withArgs(ethers.ZeroAddress);
          });

          it("uses up no nonce where the transfer is refused", async () => {
            const { token, alice, bob, authorization, signature } = await authorize(method, {
              value: yuan(200_000) + 1n,
            });
            await expect(sendAuthorization(token, method, form, authorization, signature))
              .to.be.revertedWithCustomError(token, "ERC20InsufficientBalance")
              .withArgs(alice.address, yuan(200_000), yuan(200_000) + 1n);
            expect(await token.authorizationState(alice, nonce)).to.equal(false);
            await token.connect(bob).transfer(alice, 1n);
            await expect(sendAuthorization(token, method, form, authorization, signature))
              .to.be.revertedWithCustomError(token, "SingleLimitExceeded")
              .withArgs(alice.address, yuan(200_000) + 1n, yuan(50_000));
            expect(await token.authorizationState(alice, nonce)).to.equal(false);
          });

          it("moves nothing where nothing was signed away", async () => {
            const { token, alice, bob, authorization, signature } = await authorize(method, { value: 0n });
            const transaction = await sendAuthorization(token, method, form, authorization, signature);
            expect(await eventsOf(token, transaction)).to.deep.equal([
              ["AuthorizationUsed", alice.address, nonce],
              ["Transfer", alice.address, bob.address, 0n],
            ]);
          });

          if (isReceive) {
            it("refuses everybody but the recipient", async () => {
              const { token, alice, bob, stranger, authorization, signature } = await authorize(method);
              for (const caller of [stranger, alice])
                await expect(sendAuthorization(token.connect(caller), method, form, authorization, signature))
                  .to.be.revertedWithCustomError(token, "NotRecipient")
                  .withArgs(caller.address, bob.address);
              await sendAuthorization(token, method, form, authorization, signature);
            });

            it("accepts the signature of the vectors", async () => {
              const { token } = await loadFixture(deployToken);
              const { deposit, validAfter, validBefore, digest, signature, ...open } = vectors.openWithAuthorization;
              const payer = ethers.computeAddress(vectors.key);
              const authorization = {
                ...authorizationOf(payer, vectors.contract, BigInt(deposit)),
                validAfter: BigInt(validAfter),
                validBefore: BigInt(validBefore),
                nonce: open.nonce,
              };
              const types = { ReceiveWithAuthorization: tokenTypes.ReceiveWithAuthorization };
              const domain = tokenDomain(await token.getAddress());
              expect(ethers.TypedDataEncoder.hash(domain, types, authorization)).to.equal(digest);

              await token.faucet(payer, deposit);
              await networkHelpers.impersonateAccount(vectors.contract);
              await networkHelpers.setBalance(vectors.contract, ethers.parseEther("1"));
              const recipient = await ethers.getSigner(vectors.contract);
              await sendAuthorization(token.connect(recipient), method, form, authorization, signature);
              expect(await balancesOf(token, [payer, recipient])).to.deep.equal([0n, BigInt(deposit)]);
            });
          }
        });
      }

      describe("of a contract wallet", () => {
        it("is accepted as bytes, and once", async () => {
          const { token, wallet, bob, authorization, signature } = await authorizeByWallet(method);
          const transaction = await sendAuthorization(token, method, "bytes", authorization, signature);
          expect(await eventsOf(token, transaction)).to.deep.equal([
            ["AuthorizationUsed", authorization.from, nonce],
            ["Transfer", authorization.from, bob.address, yuan(25)],
          ]);
          expect(await balancesOf(token, [wallet, bob])).to.deep.equal([yuan(975), yuan(1_025)]);
          await expect(sendAuthorization(token, method, "bytes", authorization, signature))
            .to.be.revertedWithCustomError(token, "AuthorizationAlreadyUsed")
            .withArgs(authorization.from, nonce);
        });

        it("may be of any length", async () => {
          const { token, wallet, bob, authorization } = await authorizeByWallet(method);
          await wallet.setAnswer(ethers.zeroPadBytes(magicValue, 32), false);
          await sendAuthorization(token, method, "bytes", authorization, "0x");
          const second = { ...authorization, nonce: ethers.id("second") };
          await sendAuthorization(token, method, "bytes", second, ethers.hexlify(ethers.randomBytes(131)));
          expect(await balancesOf(token, [wallet, bob])).to.deep.equal([yuan(950), yuan(1_050)]);
        });

        it("is refused as (v, r, s), and by another key than the owner's", async () => {
          const { token, bob, authorization, signature } = await authorizeByWallet(method);
          const byBob = await signForToken(bob, token, type, authorization);
          for (const [form, bad] of [
            ["(v, r, s)", signature],
            ["(v, r, s)", byBob],
            ["bytes", byBob],
          ] as const)
            await expect(sendAuthorization(token, method, form, authorization, bad))
              .to.be.revertedWithCustomError(token, "InvalidSignature")
              .withArgs(authorization.from);
        });

        for (const [what, answer, reverts] of [
          ["another value", ethers.zeroPadBytes("0xffffffff", 32), false],
          ["true", ethers.toBeHex(1, 32), false],
          ["the magic value at the wrong end", ethers.zeroPadValue(magicValue, 32), false],
          ["the magic value with something behind it", ethers.concat([magicValue, `0x${"01".repeat(28)}`]), false],
          ["the magic value cut short", ethers.zeroPadBytes(magicValue, 31), false],
          ["nothing", "0x", false],
          ["the magic value in a revert", ethers.zeroPadBytes(magicValue, 32), true],
        ] as const)
          it(`is refused where the wallet answers ${what}`, async () => {
            const { token, wallet, authorization, signature } = await authorizeByWallet(method);
            await wallet.setAnswer(answer, reverts);
            await expect(sendAuthorization(token, method, "bytes", authorization, signature))
              .to.be.revertedWithCustomError(token, "InvalidSignature")
              .withArgs(authorization.from);
          });
      });

      it("as bytes refuses all but 65 of an account without code", async () => {
        const { token, alice, authorization, signature } = await authorize(method);
        for (const bad of [asCompact(signature), signature.slice(0, -2), `${signature}00`, "0x"])
          await expect(sendAuthorization(token, method, "bytes", authorization, bad))
            .to.be.revertedWithCustomError(token, "InvalidSignature")
            .withArgs(alice.address);
      });

      it("cannot be disowned by an account that gains code", async () => {
        const { token, alice, bob, authorization, signature } = await authorize(method);
        const wallet = await ethers.deployContract("ERC1271Wallet", [ethers.ZeroAddress]);
        await networkHelpers.setCode(alice.address, ethers.concat(["0xef0100", await wallet.getAddress()]));
        const delegated = await ethers.getContractAt("ERC1271Wallet", alice);
        expect(await delegated.isValidSignature(ethers.ZeroHash, signature)).to.equal("0xffffffff");
        await sendAuthorization(token, method, "bytes", authorization, signature);
        expect(await balancesOf(token, [alice, bob])).to.deep.equal([yuan(199_975), yuan(1_025)]);
      });
    });
  }

  describe("cancelAuthorization", () => {
    for (const form of forms) {
      describe(form, () => {
        it("uses up the nonce, sent by anyone", async () => {
          const { token, alice, bob, stranger, signature } = await signCancellation();
          const transaction = await sendCancellation(token.connect(stranger), form, alice.address, nonce, signature);
          expect(await eventsOf(token, transaction)).to.deep.equal([["AuthorizationCanceled", alice.address, nonce]]);
          expect(await token.authorizationState(alice, nonce)).to.equal(true);
          expect(await token.authorizationState(bob, nonce)).to.equal(false);
          expect(await balancesOf(token, [alice, bob])).to.deep.equal([yuan(200_000), yuan(1_000)]);
        });

        it("makes the authorization worthless", async () => {
          const { token, alice, bob, signature } = await signCancellation();
          await sendCancellation(token, form, alice.address, nonce, signature);
          for (const method of ["transferWithAuthorization", "receiveWithAuthorization"] as const) {
            const authorization = authorizationOf(alice.address, bob.address, 1n);
            const signed = await signForToken(alice, token, typeOf[method], authorization);
            await expect(sendAuthorization(token.connect(bob), method, form, authorization, signed))
              .to.be.revertedWithCustomError(token, "AuthorizationAlreadyUsed")
              .withArgs(alice.address, nonce);
          }
        });

        it("comes once, and not after the authorization was used", async () => {
          const { token, alice, bob, signature } = await signCancellation();
          const authorization = authorizationOf(alice.address, bob.address, 1n);
          const signed = await signForToken(alice, token, "ReceiveWithAuthorization", authorization);
          await sendAuthorization(token.connect(bob), "receiveWithAuthorization", form, authorization, signed);
          await expect(sendCancellation(token, form, alice.address, nonce, signature))
            .to.be.revertedWithCustomError(token, "AuthorizationAlreadyUsed")
            .withArgs(alice.address, nonce);

          const other = ethers.id("other");
          const message = { authorizer: alice.address, nonce: other };
          const another = await signForToken(alice, token, "CancelAuthorization", message);
          await sendCancellation(token, form, alice.address, other, another);
          await expect(sendCancellation(token, form, alice.address, other, another))
            .to.be.revertedWithCustomError(token, "AuthorizationAlreadyUsed")
            .withArgs(alice.address, other);
        });

        it("refuses every signature but the authorizer's over this nonce", async () => {
          const { token, alice, bob, signature } = await signCancellation();
          const message = { authorizer: alice.address, nonce };
          const bad = [
            await signForToken(bob, token, "CancelAuthorization", message),
            await signForToken(alice, token, "CancelAuthorization", { ...message, nonce: ethers.id("other") }),
            await signForToken(alice, token, "CancelAuthorization", message, { verifyingContract: bob.address }),
            withHighS(signature),
            withBareV(signature),
          ];
          for (const wrong of bad)
            await expect(sendCancellation(token, form, alice.address, nonce, wrong))
              .to.be.revertedWithCustomError(token, "InvalidSignature")
              .withArgs(alice.address);
          await expect(sendCancellation(token, form, bob.address, nonce, signature))
            .to.be.revertedWithCustomError(token, "InvalidSignature")
            .withArgs(bob.address);
          expect(await token.authorizationState(alice, nonce)).to.equal(false);
        });
      });
    }

    it("as bytes accepts a contract wallet's signature, and refuses a lying one's", async () => {
      const { token, wallet, alice, bob } = await deployWallet();
      const authorizer = await wallet.getAddress();
      const signature = await signForToken(alice, token, "CancelAuthorization", { authorizer, nonce });
      await expect(sendCancellation(token, "(v, r, s)", authorizer, nonce, signature))
        .to.be.revertedWithCustomError(token, "InvalidSignature")
        .withArgs(authorizer);
      await expect(sendCancellation(token, "bytes", authorizer, nonce, asCompact(signature)))
        .to.be.revertedWithCustomError(token, "InvalidSignature")
        .withArgs(authorizer);
      const transaction = await sendCancellation(token, "bytes", authorizer, nonce, signature);
      expect(await eventsOf(token, transaction)).to.deep.equal([["AuthorizationCanceled", authorizer, nonce]]);

      await wallet.setAnswer(ethers.toBeHex(1, 32), false);
      const other = ethers.id("other");
      const message = { authorizer, nonce: other };
      for (const signer of [alice, bob])
        await expect(
          sendCancellation(
            token,
            "bytes",
            authorizer,
            other,
            await signForToken(signer, token, "CancelAuthorization", message),
          ),
        )
          .to.be.revertedWithCustomError(token, "InvalidSignature")
          .withArgs(authorizer);
    });
  });

  describe("setFrozen", () => {
    it("tells what was done, and undoes it", async () => {
      const { token, alice, bob } = await loadFixture(deployToken);
      expect(await token.isFrozen(alice)).to.equal(false);
      await expect(token.setFrozen(alice, true)).to.emit(token, "FrozenSet").withArgs(alice.address, true);
      expect(await token.isFrozen(alice)).to.equal(true);
      expect(await token.isFrozen(bob)).to.equal(false);
      await expect(token.setFrozen(alice, false)).to.emit(token, "FrozenSet").withArgs(alice.address, false);
      expect(await token.isFrozen(alice)).to.equal(false);
      await token.connect(alice).transfer(bob, 1n);
    });

    for (const [way, pay] of Object.entries(paymentsToBob))
      it(`stops ${way} from and to the account, of nothing too`, async () => {
        for (const frozen of ["alice", "bob"] as const)
          for (const value of [0n, 1n]) {
            const fixture = await loadFixture(deployToken);
            await fixture.token.setFrozen(fixture[frozen], true);
            await expect(pay(fixture, value))
              .to.be.revertedWithCustomError(fixture.token, "AccountFrozen")
              .withArgs(fixture[frozen].address);
          }
      });

    it("stops a transfer to oneself, and an exempt account", async () => {
      const { token, alice, bob } = await loadFixture(deployToken);
      await token.setFrozen(alice, true);
      await token.setExempt(alice, true);
      await expect(token.connect(alice).transfer(alice, 1n))
        .to.be.revertedWithCustomError(token, "AccountFrozen")
        .withArgs(alice.address);
      await expect(token.connect(bob).transfer(alice, 1n))
        .to.be.revertedWithCustomError(token, "AccountFrozen")
        .withArgs(alice.address);
    });

    it("stops neither approving, nor canceling, nor moving as a spender what others allow", async () => {
      const { token, alice, bob, carol } = await loadFixture(deployToken);
      await token.setFrozen(carol, true);
      await token.connect(carol).approve(bob, 1n);
      const message = { authorizer: carol.address, nonce };
      const signature = await signForToken(carol, token, "CancelAuthorization", message);
      await sendCancellation(token, "bytes", carol.address, nonce, signature);
      await token.connect(alice).approve(carol, 1n);
      await token.connect(carol).transferFrom(alice, bob, 1n);
      expect(await balancesOf(token, [alice, bob, carol])).to.deep.equal([yuan(200_000) - 1n, yuan(1_000) + 1n, 0n]);
    });
  });

  describe("setExempt", () => {
    it("tells what was done, and undoes it", async () => {
      const { token, alice, bob } = await loadFixture(deployToken);
      expect(await token.isExempt(alice)).to.equal(false);
      await expect(token.setExempt(alice, true)).to.emit(token, "ExemptSet").withArgs(alice.address, true);
      expect(await token.isExempt(alice)).to.equal(true);
      expect(await token.isExempt(bob)).to.equal(false);
      await token.connect(alice).transfer(bob, yuan(50_000) + 1n);
      await expect(token.setExempt(alice, false)).to.emit(token, "ExemptSet").withArgs(alice.address, false);
      expect(await token.isExempt(alice)).to.equal(false);
      await expect(token.connect(alice).transfer(bob, yuan(50_000) + 1n))
        .to.be.revertedWithCustomError(token, "SingleLimitExceeded")
        .withArgs(alice.address, yuan(50_000) + 1n, yuan(50_000));
    });

    it("lifts all limits of the account, and counts nothing for it", async () => {
      const { token, alice, bob, carol } = await loadFixture(deployToken);
      await setLimits(token, 3, [0n, 0n, 0n]);
      await token.setWalletClass(bob, 3);
      await token.setExempt(bob, true);
      await token.setExempt(alice, true);
      await token.connect(alice).transfer(bob, yuan(200_000));
      await token.faucet(bob, FAUCET_LIMIT);
      expect(await token.balanceOf(bob)).to.equal(yuan(701_000));
      await token.connect(bob).transfer(carol, yuan(400_000));
      await token.connect(bob).transfer(carol, yuan(100_000));
      expect(await balancesOf(token, [alice, bob, carol])).to.deep.equal([0n, yuan(201_000), yuan(500_000)]);
      expect(await token.spentToday(alice)).to.equal(0);
      expect(await token.spentToday(bob)).to.equal(0);
    });

    it("leaves who is paid by the account its balance limit", async () => {
      const { token, alice, bob } = await loadFixture(deployToken);
      await token.setExempt(alice, true);
      await token.setWalletClass(bob, 4);
      await expect(token.connect(alice).transfer(bob, yuan(9_000) + 1n))
        .to.be.revertedWithCustomError(token, "BalanceLimitExceeded")
        .withArgs(bob.address, yuan(10_000) + 1n, yuan(10_000));
      await token.connect(alice).transfer(bob, yuan(9_000));
      expect(await token.balanceOf(bob)).to.equal(yuan(10_000));
    });

    it("leaves who pays the account its single and daily limit", async () => {
      const { token, alice, bob } = await loadFixture(deployToken);
      await token.setExempt(bob, true);
      await expect(token.connect(alice).transfer(bob, yuan(50_000) + 1n))
        .to.be.revertedWithCustomError(token, "SingleLimitExceeded")
        .withArgs(alice.address, yuan(50_000) + 1n, yuan(50_000));
      await token.connect(alice).transfer(bob, yuan(50_000));
      await token.connect(alice).transfer(bob, yuan(50_000));
      await expect(token.connect(alice).transfer(bob, 1n))
        .to.be.revertedWithCustomError(token, "DailyLimitExceeded")
        .withArgs(alice.address, yuan(100_000) + 1n, yuan(100_000));
    });

    it("keeps what was spent before, and forgets what was spent meanwhile", async () => {
      const { token, alice, bob } = await loadFixture(deployToken);
      await token.connect(alice).transfer(bob, yuan(30_000));
      await token.setExempt(alice, true);
      await token.connect(alice).transfer(bob, yuan(100_000));
      await token.setExempt(alice, false);
      expect(await token.spentToday(alice)).to.equal(yuan(30_000));
    });
  });

  describe("setWalletClass", () => {
    it("tells what was done; an account is of the default class before", async () => {
      const { token, alice, bob } = await loadFixture(deployToken);
      expect(await token.walletClass(alice)).to.equal(2);
      for (const newClass of [1, 3, 4, 2]) {
        await expect(token.setWalletClass(alice, newClass))
          .to.emit(token, "WalletClassSet")
          .withArgs(alice.address, newClass);
        expect(await token.walletClass(alice)).to.equal(newClass);
      }
      expect(await token.walletClass(bob)).to.equal(2);
    });

    it("refuses classes that do not exist", async () => {
      const { token, alice } = await loadFixture(deployToken);
      for (const noClass of [0, 5, 255])
        await expect(token.setWalletClass(alice, noClass))
          .to.be.revertedWithCustomError(token, "InvalidWalletClass")
          .withArgs(noClass);
    });

    for (const walletClass of [2, 3, 4]) {
      it(`${walletClass} holds the account to the limits of that class`, async () => {
        const { token, alice, bob, carol } = await loadFixture(deployToken);
        const [singleLimit, dailyLimit, balanceLimit] = limitsOfClass[walletClass]!;
        await token.setWalletClass(alice, walletClass);
        await token.setWalletClass(carol, walletClass);

        await expect(token.connect(alice).transfer(bob, singleLimit + 1n))
          .to.be.revertedWithCustomError(token, "SingleLimitExceeded")
          .withArgs(alice.address, singleLimit + 1n, singleLimit);
        for (let left = dailyLimit; left > 0n; left -= left < singleLimit ? left : singleLimit)
          await token.connect(alice).transfer(bob, left < singleLimit ? left : singleLimit);
        await expect(token.connect(alice).transfer(bob, 1n))
          .to.be.revertedWithCustomError(token, "DailyLimitExceeded")
          .withArgs(alice.address, dailyLimit + 1n, dailyLimit);
        await token.faucet(carol, balanceLimit);
        await expect(token.faucet(carol, 1n))
          .to.be.revertedWithCustomError(token, "BalanceLimitExceeded")
          .withArgs(carol.address, balanceLimit + 1n, balanceLimit);
      });
    }

    it("1 knows no limit", async () => {
      const { token, alice, bob } = await loadFixture(deployToken);
      await token.setWalletClass(alice, 1);
      await token.setWalletClass(bob, 1);
      await token.faucet(alice, FAUCET_LIMIT);
      await token.connect(alice).transfer(bob, yuan(400_000));
      await token.connect(alice).transfer(bob, yuan(300_000));
      expect(await balancesOf(token, [alice, bob])).to.deep.equal([0n, yuan(701_000)]);
      expect(await token.spentToday(alice)).to.equal(yuan(700_000));
    });

    it("keeps what was spent today, and what is held above the new balance limit", async () => {
      const { token, alice, bob } = await loadFixture(deployToken);
      await token.connect(alice).transfer(bob, yuan(4_999));
      await token.setWalletClass(alice, 4);
      expect(await token.balanceOf(alice)).to.equal(yuan(195_001));
      await expect(token.connect(bob).transfer(alice, 1n))
        .to.be.revertedWithCustomError(token, "BalanceLimitExceeded")
        .withArgs(alice.address, yuan(195_001) + 1n, yuan(10_000));
      await expect(token.connect(alice).transfer(bob, yuan(1) + 1n))
        .to.be.revertedWithCustomError(token, "DailyLimitExceeded")
        .withArgs(alice.address, yuan(5_000) + 1n, yuan(5_000));
      await token.connect(alice).transfer(bob, yuan(1));
      expect(await balancesOf(token, [alice, bob])).to.deep.equal([yuan(195_000), yuan(6_000)]);
    });
  });

  describe("setClassLimits", () => {
    it("tells what was done and changes that class alone, at once", async () => {
      const { token, alice, bob, carol } = await loadFixture(deployToken);
      await expect(setLimits(token, 2, [10n, 15n, yuan(200_000)]))
        .to.emit(token, "ClassLimitsSet")
        .withArgs(2, [10n, 15n, yuan(200_000)]);
      expect(await getClassLimits(token, 2)).to.deep.equal([10n, 15n, yuan(200_000)]);
      for (const walletClass of [1, 3, 4])
        expect(await getClassLimits(token, walletClass)).to.deep.equal(limitsOfClass[walletClass]);

      await expect(token.connect(alice).transfer(carol, 11n))
        .to.be.revertedWithCustomError(token, "SingleLimitExceeded")
        .withArgs(alice.address, 11n, 10n);
      await token.connect(alice).transfer(carol, 10n);
      await expect(token.connect(alice).transfer(carol, 6n))
        .to.be.revertedWithCustomError(token, "DailyLimitExceeded")
        .withArgs(alice.address, 16n, 15n);
      await token.connect(alice).transfer(carol, 5n);
      await token.connect(bob).transfer(alice, 10n);
      await token.connect(bob).transfer(alice, 5n);
      await expect(token.connect(carol).transfer(alice, 1n))
        .to.be.revertedWithCustomError(token, "BalanceLimitExceeded")
        .withArgs(alice.address, yuan(200_000) + 1n, yuan(200_000));
    });

    it("takes zero as nothing, and the largest value as no limit", async () => {
      const { token, alice, bob } = await loadFixture(deployToken);
      await setLimits(token, 2, [0n, NO_LIMIT, NO_LIMIT]);
      await expect(token.connect(alice).transfer(bob, 1n))
        .to.be.revertedWithCustomError(token, "SingleLimitExceeded")
        .withArgs(alice.address, 1n, 0n);
      await setLimits(token, 2, [NO_LIMIT, 0n, NO_LIMIT]);
      await expect(token.connect(alice).transfer(bob, 1n))
        .to.be.revertedWithCustomError(token, "DailyLimitExceeded")
        .withArgs(alice.address, 1n, 0n);
      await setLimits(token, 2, [NO_LIMIT, NO_LIMIT, 0n]);
      await expect(token.connect(alice).transfer(bob, 1n))
        .to.be.revertedWithCustomError(token, "BalanceLimitExceeded")
        .withArgs(bob.address, yuan(1_000) + 1n, 0n);
      await setLimits(token, 2, [NO_LIMIT, NO_LIMIT, NO_LIMIT]);
      await token.faucet(bob, FAUCET_LIMIT);
      await token.connect(alice).transfer(bob, yuan(200_000));
      expect(await balancesOf(token, [alice, bob])).to.deep.equal([0n, yuan(701_000)]);
    });

    it("refuses classes that do not exist, and so does getClassLimits", async () => {
      const { token } = await loadFixture(deployToken);
      for (const noClass of [0, 5, 255]) {
        await expect(setLimits(token, noClass, [1n, 1n, 1n]))
          .to.be.revertedWithCustomError(token, "InvalidWalletClass")
          .withArgs(noClass);
        await expect(token.getClassLimits(noClass))
          .to.be.revertedWithCustomError(token, "InvalidWalletClass")
          .withArgs(noClass);
      }
    });
  });

  describe("transferOperator, acceptOperator", () => {
    it("hand the role over in two steps", async () => {
      const { token, operator, alice, bob } = await loadFixture(deployToken);
      await expect(token.transferOperator(alice))
        .to.emit(token, "OperatorTransferStarted")
        .withArgs(operator.address, alice.address);
      expect(await token.operator()).to.equal(operator.address);
      expect(await token.pendingOperator()).to.equal(alice.address);
      await token.setFrozen(bob, true);

      await expect(token.connect(bob).acceptOperator())
        .to.be.revertedWithCustomError(token, "NotPendingOperator")
        .withArgs(bob.address, alice.address);
      await expect(token.connect(alice).acceptOperator())
        .to.emit(token, "OperatorTransferred")
        .withArgs(operator.address, alice.address);
      expect(await token.operator()).to.equal(alice.address);
      expect(await token.pendingOperator()).to.equal(ethers.ZeroAddress);

      await token.connect(alice).setFrozen(bob, false);
      await expect(token.setFrozen(bob, true))
        .to.be.revertedWithCustomError(token, "NotOperator")
        .withArgs(operator.address, alice.address);
      await expect(token.connect(alice).acceptOperator())
        .to.be.revertedWithCustomError(token, "NotPendingOperator")
        .withArgs(alice.address, ethers.ZeroAddress);
    });

    it("let the operator change its mind", async () => {
      const { token, operator, alice, bob } = await loadFixture(deployToken);
      await token.transferOperator(alice);
      await token.transferOperator(bob);
      await expect(token.connect(alice).acceptOperator())
        .to.be.revertedWithCustomError(token, "NotPendingOperator")
        .withArgs(alice.address, bob.address);
      await token.transferOperator(ethers.ZeroAddress);
      await expect(token.connect(bob).acceptOperator())
        .to.be.revertedWithCustomError(token, "NotPendingOperator")
        .withArgs(bob.address, ethers.ZeroAddress);
      expect(await token.operator()).to.equal(operator.address);
    });

    it("are, with everything of the operator, refused to others", async () => {
      const { token, operator, alice, bob } = await loadFixture(deployToken);
      // Being offered the role gives no power yet.
      await token.transferOperator(alice);
      const byAlice = token.connect(alice);
      const calls = [
        () => byAlice.setFrozen(bob, true),
        () => byAlice.setExempt(alice, true),
        () => byAlice.setWalletClass(alice, 1),
        () => byAlice.setWalletClass(alice, 0),
        () => setLimits(byAlice, 2, [1n, 1n, 1n]),
        () => byAlice.transferOperator(alice),
      ];
      for (const call of calls)
        await expect(call())
          .to.be.revertedWithCustomError(token, "NotOperator")
          .withArgs(alice.address, operator.address);
    });
  });

  describe("spentToday", () => {
    // 2026-03-02, 00:00 in China, which is still 2026-03-01 in UTC.
    const midnight = BigInt(Date.parse("2026-03-02T00:00:00+08:00") / 1_000);

    it("starts again at midnight in China", async () => {
      const { token, alice, bob } = await loadFixture(deployToken);
      await token.connect(alice).transfer(bob, yuan(50_000));
      await time.setNextBlockTimestamp(midnight - 1n);
      await token.connect(alice).transfer(bob, yuan(50_000));
      expect(await token.spentToday(alice)).to.equal(yuan(100_000));

      await time.increaseTo(midnight);
      expect(await token.spentToday(alice)).to.equal(0);
      await token.connect(alice).transfer(bob, yuan(50_000));
      expect(await token.spentToday(alice)).to.equal(yuan(50_000));
      expect(await balancesOf(token, [alice, bob])).to.deep.equal([yuan(50_000), yuan(151_000)]);
    });

    it("stays full until the last second of the day", async () => {
      const { token, alice, bob } = await loadFixture(deployToken);
      await token.connect(alice).transfer(bob, yuan(50_000));
      await token.connect(alice).transfer(bob, yuan(50_000));
      await time.setNextBlockTimestamp(midnight - 1n);
      await expect(token.connect(alice).transfer(bob, 1n))
        .to.be.revertedWithCustomError(token, "DailyLimitExceeded")
        .withArgs(alice.address, yuan(100_000) + 1n, yuan(100_000));
      await time.setNextBlockTimestamp(midnight);
      await token.connect(alice).transfer(bob, 1n);
      expect(await token.spentToday(alice)).to.equal(1);
    });

    it("does not start again at midnight in UTC", async () => {
      const { token, alice, bob } = await loadFixture(deployToken);
      await time.increaseTo(midnight);
      await token.connect(alice).transfer(bob, 3n);
      await time.increaseTo(midnight + 8n * 3_600n);
      expect(await token.spentToday(alice)).to.equal(3);
      await time.increaseTo(midnight + 24n * 3_600n - 1n);
      expect(await token.spentToday(alice)).to.equal(3);
      await time.increaseTo(midnight + 24n * 3_600n);
      expect(await token.spentToday(alice)).to.equal(0);
    });
  });

  describe("all limits together", () => {
    it("agrees with a model over a long run of random calls", async () => {
      const { token, operator, alice, bob, carol, stranger } = await loadFixture(deployToken);
      const random = createRandom(20260301);
      const accounts = [operator, alice, bob, carol, stranger];
      const model = accounts.map(() => ({ balance: 0n, spent: 0n, day: 0n, class: 2, frozen: false, exempt: false }));
      model[1]!.balance = yuan(200_000);
      model[2]!.balance = yuan(1_000);
      // Small limits are met often.
      const limits: Record<number, [bigint, bigint, bigint]> = {
        1: [NO_LIMIT, NO_LIMIT, NO_LIMIT],
        2: [yuan(50_000), yuan(100_000), yuan(210_000)],
        3: [40n, 60n, yuan(1_000) + 200n],
        4: [20n, 25n, 100n],
      };
      for (const [walletClass, ofClass] of Object.entries(limits)) await setLimits(token, Number(walletClass), ofClass);

      const expectedError = (from: number, to: number, value: bigint, day: bigint): string | undefined => {
        const [sender, recipient] = [model[from]!, model[to]!];
        const [singleLimit, dailyLimit] = limits[sender.class]!;
        if (sender.frozen || recipient.frozen) return "AccountFrozen";
        if (sender.balance < value) return "ERC20InsufficientBalance";
        if (value === 0n || from === to) return undefined;
        if (!sender.exempt && value > singleLimit) return "SingleLimitExceeded";
        if (!sender.exempt && (sender.day === day ? sender.spent : 0n) + value > dailyLimit)
          return "DailyLimitExceeded";
        if (!recipient.exempt && recipient.balance + value > limits[recipient.class]![2]) return "BalanceLimitExceeded";
        return undefined;
      };

      const outcomes = new Map<string, number>();
      for (let i = 0; i < 600; i++) {
        const from = random.below(accounts.length);
        const to = random.below(accounts.length);
        const sender = model[from]!;
        const change = random.below(30);
        if (change === 0) {
          sender.frozen = random.below(4) === 0;
          await token.setFrozen(accounts[from]!, sender.frozen);
        } else if (change === 1) {
          sender.exempt = random.below(4) === 0;
          await token.setExempt(accounts[from]!, sender.exempt);
        } else if (change === 2) {
          sender.class = 1 + random.below(4);
          await token.setWalletClass(accounts[from]!, sender.class);
        } else if (change === 3) {
          await time.increase(random.below(86_400));
        }

        const value = random.below(10) === 0 ? 0n : random.below(10) === 0 ? sender.balance : random.uint(7);
        const timestamp = BigInt(await time.latest()) + 1n;
        const day = (timestamp + 28_800n) / 86_400n;
        await time.setNextBlockTimestamp(timestamp);
        const error = expectedError(from, to, value, day);
        outcomes.set(error ?? "moved", (outcomes.get(error ?? "moved") ?? 0) + 1);
        const call = token.connect(accounts[from]!).transfer(accounts[to]!, value);
        if (error === undefined) {
          await call;
          if (from !== to && value !== 0n && !sender.exempt) {
            sender.spent = (sender.day === day ? sender.spent : 0n) + value;
            sender.day = day;
          }
          sender.balance -= value;
          model[to]!.balance += value;
        } else {
          await expect(call).to.be.revertedWithCustomError(token, error);
        }

        expect(await balancesOf(token, accounts)).to.deep.equal(model.map(({ balance }) => balance));
        const today = (BigInt(await time.latest()) + 28_800n) / 86_400n;
        expect(await token.spentToday(accounts[from]!)).to.equal(sender.day === today ? sender.spent : 0n);
      }
      expect(await token.totalSupply()).to.equal(yuan(201_000));
      // A run that never met a refusal would prove little.
      for (const outcome of [
        "moved",
        "AccountFrozen",
        "SingleLimitExceeded",
        "DailyLimitExceeded",
        "BalanceLimitExceeded",
        "ERC20InsufficientBalance",
      ])
        expect(outcomes.get(outcome) ?? 0, outcome).to.be.greaterThan(5);
    });
  });
});
