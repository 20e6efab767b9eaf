// `npm run gas`: measures what each operation costs, in the steady state a real channel is in, and writes
// snapshots/gas.json; `--check` compares with it instead. Run under the production profile.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";

import { network } from "hardhat";
import type { Address, Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { attestation, computePaymentId, signConditionalVoucher, signVerdict, toConditionalClaim } from "subfen";
import { accountFromEthers } from "subfen/ethers";

import type { GasToken, PaymentChannels, TaskEscrow, TickCondition } from "../types/index.ts";

const snapshot = "snapshots/gas.json";
/** Gas by which an operation may differ from the snapshot. */
const tolerance = 60;

const { ethers, networkHelpers } = await network.create();
const chainId = 31337n;
const [payer, payee, relayer] = await firstSigners();

const token = (await ethers.deployContract("GasToken")) as unknown as GasToken;
const channels = (await ethers.deployContract("PaymentChannels", [900])) as unknown as PaymentChannels;
const escrow = (await ethers.deployContract("TaskEscrow")) as unknown as TaskEscrow;
const attestationContract = await ethers.deployContract("AttestationCondition");
const ticks = (await ethers.deployContract("TickCondition")) as unknown as TickCondition;
const channelsAddress = await channels.getAddress();
const escrowAddress = await escrow.getAddress();
const attestationAddress = (await attestationContract.getAddress()) as Address;
const tokenAddress = await token.getAddress();

// Nobody's balance is zero before or after, and the allowance is finite: what is measured is the steady state.
for (const account of [payer.address, payee.address, channelsAddress, escrowAddress]) {
  await token.mint(account, 10n ** 15n);
}
for (const spender of [channelsAddress, escrowAddress]) await token.connect(payer).approve(spender, 10n ** 14n);

async function firstSigners() {
  const [first, second, third] = await ethers.getSigners();
  if (!first || !second || !third) throw new Error("the simulated chain has too few accounts");
  return [first, second, third] as const;
}

const measured: Record<string, number> = {};
let saltCount = 0;

type Sent = Promise<{ wait(): Promise<{ gasUsed: bigint; status: number | null } | null> }>;

async function gasOf(sent: Sent): Promise<number> {
  const receipt = await (await sent).wait();
  if (receipt?.status !== 1) throw new Error("a measured transaction failed");
  return Number(receipt.gasUsed);
}

async function measure(name: string, sent: Sent): Promise<void> {
  measured[name] = await gasOf(sent);
}

/** Fixed entropy without zero bytes, which would be cheaper. */
function nextSalt(): string {
  saltCount++;
  return ethers.id(`salt ${saltCount}`).replaceAll("00", "11");
}

function termsOf(salt: string) {
  return {
    payer: payer.address,
    payee: payee.address,
    token: tokenAddress,
    salt,
    authorizedSigner: ethers.ZeroAddress,
  };
}

type Terms = ReturnType<typeof termsOf>;
const deposit = 1_000_000n;

async function open(): Promise<Terms> {
  const terms = termsOf(nextSalt());
  await channels.connect(payer).open(terms.payee, terms.token, deposit, terms.salt, terms.authorizedSigner);
  return terms;
}

const channelsDomain = { name: "EVM Payment Channel", version: "1", chainId, verifyingContract: channelsAddress };

async function sign(terms: Terms, cumulativeAmount: bigint): Promise<string> {
  const channelId = await channels.computeChannelId(terms);
  const types = {
    Voucher: [
      { name: "channelId", type: "bytes32" },
      { name: "cumulativeAmount", type: "uint128" },
    ],
  };
  return payer.signTypedData(channelsDomain, types, { channelId, cumulativeAmount });
}

async function claimOf(terms: Terms, amount: bigint) {
  return { terms, amount, cumulativeAmount: amount, signature: await sign(terms, amount) };
}

async function authorize(value: bigint, nonce: string, to = channelsAddress) {
  const message = { from: payer.address, to, value, validAfter: 0n, validBefore: 2n ** 40n, nonce };
  const types = {
    ReceiveWithAuthorization: [
      { name: "from", type: "address" },
      { name: "to", type: "address" },
      { name: "value", type: "uint256" },
      { name: "validAfter", type: "uint256" },
      { name: "validBefore", type: "uint256" },
      { name: "nonce", type: "bytes32" },
    ],
  };
  const domain = { name: "Gas Token", version: "1", chainId, verifyingContract: tokenAddress };
  return { ...message, signature: await payer.signTypedData(domain, types, message) };
}

const coder = ethers.AbiCoder.defaultAbiCoder();

async function measureFunding(): Promise<void> {
  const opening = termsOf(nextSalt());
  const asPayer = channels.connect(payer);
  await measure("open", asPayer.open(opening.payee, opening.token, deposit, opening.salt, opening.authorizedSigner));
  await measure("topUp", asPayer.topUp(opening, deposit));

  const terms = termsOf(nextSalt());
  const nonce = ethers.keccak256(
    coder.encode(
      ["address", "address", "address", "bytes32", "address"],
      [terms.payer, terms.payee, terms.token, terms.salt, terms.authorizedSigner],
    ),
  );
  const { from, validAfter, validBefore, signature } = await authorize(deposit, nonce);
  await measure(
    "openWithAuthorization",
    channels
      .connect(relayer)
      .openWithAuthorization(
        terms.payee,
        terms.token,
        deposit,
        terms.salt,
        terms.authorizedSigner,
        from,
        validAfter,
        validBefore,
        nonce,
        signature,
      ),
  );

  const topUpSalt = nextSalt();
  const channelId = await channels.computeChannelId(terms);
  const topUpNonce = ethers.keccak256(
    coder.encode(["bytes32", "uint128", "address", "bytes32"], [channelId, deposit, from, topUpSalt]),
  );
  const topUp = await authorize(deposit, topUpNonce);
  await measure(
    "topUpWithAuthorization",
    channels
      .connect(relayer)
      .topUpWithAuthorization(
        terms,
        deposit,
        from,
        topUpSalt,
        topUp.validAfter,
        topUp.validBefore,
        topUpNonce,
        topUp.signature,
      ),
  );
}

async function measureSettling(): Promise<void> {
  const asPayee = channels.connect(payee);
  const terms = await open();
  await asPayee.settle(await claimOf(terms, 1000n));
  await measure("settle", asPayee.settle(await claimOf(terms, 2000n)));
  await measure("close", asPayee.close(await claimOf(terms, 3000n)));

  for (const size of [10, 100]) {
    const claims = [];
    for (let i = 0; i < size; i++) {
      const batched = await open();
      await asPayee.settle(await claimOf(batched, 1000n));
      const { r, yParityAndS } = ethers.Signature.from(await sign(batched, 2000n));
      const { payer: from, authorizedSigner, salt } = batched;
      claims.push({ payer: from, authorizedSigner, salt, amount: 2000n, cumulativeAmount: 2000n, r, vs: yParityAndS });
    }
    const total = await gasOf(asPayee.settleBatch(payee.address, tokenAddress, claims));
    measured[`settleBatch of ${size}, a channel`] = Math.round(total / size);
  }
}

async function measureLeaving(): Promise<void> {
  const terms = await open();
  await channels.connect(payee).settle(await claimOf(terms, 1000n));
  await measure("requestClose", channels.connect(payer).requestClose(terms));
  await networkHelpers.time.increase(900);
  await measure("withdraw", channels.connect(payer).withdraw(terms));
}

/** Later than any clock that runs this, so that a task's bytes do not depend on when it is measured. */
const taskDeadline = 4_000_000_000n;
const evaluator = privateKeyToAccount(ethers.id("an evaluator") as Hex);
const specHash = ethers.id("a specification") as Hex;
const attested = attestation({
  condition: attestationAddress,
  chainId: Number(chainId),
  evaluators: [evaluator.address],
  threshold: 1,
  specHash,
  judgeBy: 2n ** 40n,
});

/** A verdict of the one evaluator, as evidence. */
async function attest(paymentId: Hex, amount: bigint): Promise<Hex> {
  const verdict = { deliverableHash: ethers.id("a deliverable") as Hex, amount, issuedAt: 1_811_939_329n };
  const at = { condition: attestationAddress, chainId: Number(chainId) };
  const signature = await signVerdict({ ...at, ...verdict, account: evaluator, paymentId, specHash });
  return attested.encodeEvidence({
    deliverableHash: verdict.deliverableHash,
    attestations: [{ evaluator: 0, ...verdict, signature }],
  });
}

async function measureConditional(): Promise<void> {
  const asPayee = channels.connect(payee);
  const account = await accountFromEthers(payer);
  const { address: condition, parameters, parametersHash } = attested;
  for (const [count, provenCount] of [
    [1, 1],
    [16, 1],
    [16, 16],
  ] as const) {
    const terms = await open();
    await asPayee.settle(await claimOf(terms, 1000n));
    const channelId = (await channels.computeChannelId(terms)) as Hex;
    const payments = Array.from({ length: count }, (_, index) => {
      const ref = ethers.toBeHex(BigInt(specHash) + BigInt(index), 32) as Hex;
      return { ref, condition, parameters, parametersHash, amount: 100n };
    });
    const cumulativeAmount = 2000n;
    const at = { contract: channelsAddress as Address, chainId: Number(chainId), channelId };
    const signature = await signConditionalVoucher({ ...at, account, cumulativeAmount, payments });
    const evidence = payments.slice(0, provenCount).map(async ({ ref, amount }) => ({
      ref,
      parameters,
      evidence: await attest(computePaymentId({ channelId, ref }), amount),
    }));
    const { paymentHashes, proven, ...claim } = toConditionalClaim({
      terms: terms as Terms & { [field in keyof Terms]: Hex },
      statement: { cumulativeAmount, payments, signature },
      evidence: await Promise.all(evidence),
      amount: cumulativeAmount + 100n * BigInt(provenCount),
    });
    const sent = asPayee.settleConditional({ ...claim, paymentHashes: [...paymentHashes], proven: [...proven] });
    await measure(`settleConditional, ${provenCount} of ${count} proven`, sent);
  }
}

function nextTask() {
  return {
    client: payer.address,
    provider: payee.address,
    token: tokenAddress,
    amount: 1_000_000n,
    condition: attestationAddress,
    parametersHash: attested.parametersHash,
    deadline: taskDeadline,
    salt: nextSalt(),
  };
}

async function measureTasks(): Promise<void> {
  await networkHelpers.time.increaseTo(taskDeadline - 86_400n);
  const [asClient, asProvider] = [escrow.connect(payer), escrow.connect(payee)];
  const released = nextTask();
  await measure("fund", asClient.fund(released));
  await measure("release", asClient.release(released, released.amount));

  const refunded = nextTask();
  const taskId = await escrow.computeTaskId(refunded);
  const { validAfter, validBefore, signature } = await authorize(refunded.amount, taskId, escrowAddress);
  await measure(
    "fundWithAuthorization",
    escrow.connect(relayer).fundWithAuthorization(refunded, validAfter, validBefore, signature),
  );
  await measure("refund", asProvider.refund(refunded));

  const claimed = nextTask();
  await asClient.fund(claimed);
  const evidence = await attest((await escrow.computeTaskId(claimed)) as Hex, claimed.amount);
  await measure("claim, one evaluator", asProvider.claim(claimed, attested.parameters, evidence));

  const milestones = Array.from({ length: 10 }, nextTask);
  measured["fundBatch of 10, a task"] = Math.round((await gasOf(asClient.fundBatch(milestones))) / 10);
}

/** Gas that the condition itself uses, the transaction's base cost and calldata not counted. */
async function measureTicks(): Promise<void> {
  const [paymentId, count] = [specHash, 1000];
  let root = ethers.id("the last of them");
  const x = root;
  for (let i = 0; i < count; i++) root = ethers.keccak256(ethers.concat([root, paymentId]));
  const parameters = coder.encode(["bytes32", "uint128", "uint32"], [root, 1n, count]);
  const evidence = coder.encode(["uint32", "bytes32"], [count, x]);
  const total = Number(await ticks.amountDue.estimateGas(paymentId, 2000n, parameters, evidence));
  const data = ethers.getBytes(
    ticks.interface.encodeFunctionData("amountDue", [paymentId, 2000n, parameters, evidence]),
  );
  const calldata = data.reduce((sum, byte) => sum + (byte === 0 ? 4 : 16), 0);
  measured["TickCondition, 1,000 ticks"] = total - 21_000 - calldata;
}

await measureFunding();
await measureSettling();
await measureLeaving();
await measureConditional();
await measureTasks();
await measureTicks();

if (process.argv.includes("--check")) {
  const expected = existsSync(snapshot) ? (JSON.parse(readFileSync(snapshot, "utf8")) as Record<string, number>) : {};
  const names = [...new Set([...Object.keys(expected), ...Object.keys(measured)])];
  const changed = names.filter((name) => !(Math.abs((measured[name] ?? NaN) - (expected[name] ?? NaN)) <= tolerance));
  for (const name of changed) console.error(`${name}: ${measured[name]} gas, the snapshot has ${expected[name]}`);
  if (changed.length > 0) process.exit(1);
} else {
  mkdirSync("snapshots", { recursive: true });
  writeFileSync(snapshot, `${JSON.stringify(measured, undefined, 2)}\n`);
  console.table(measured);
}
