// The second act, in a channel: tasks worth less than a transaction, each paid only if it succeeded.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Address, type Hex, zeroAddress } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

import {
  addEvidence,
  attestation,
  type AttestationCondition,
  computeChannelId,
  computePaymentId,
  explainPlanRefusal,
  explainStatementRefusal,
  isKnownCode,
  judgeStatement,
  nothingAccepted,
  nothingSigned,
  openAuthorizationNonce,
  parseYuan,
  type PayeePolicy,
  type PayerPolicy,
  planStatement,
  proveDue,
  setWork,
  signConditionalVoucher,
  signReceiveWithAuthorization,
  type StatedPayment,
  type Terms,
  verifyConditionalVoucher,
} from "subfen";
import { createEvaluator, createSqliteRecord, type Evaluator, hashSpec, jsonSchema, type Spec } from "subfen/evaluator";

import { extract, type ExtractionTask, extractionTasks } from "../../examples/tasks/extraction.ts";
import { type DemoChain, type DemoClient, randomBytes32 } from "./chain.ts";

/** Base units a task: 0.8 % of a fen. */
export const pricePerTask = 80n;

/** What the client has, and what it locks. */
const money = parseYuan("1");
const deposit = parseYuan("0.05");

/** Tasks outstanding at a time, and so what the worker risks; a statement carries at most 16. */
const together = 10;

/** What the tasks came to. Amounts in base units. */
export type TasksResult = {
  readonly tasks: number;
  readonly succeeded: number;
  readonly failed: number;
  /** What the verdicts say is due. */
  readonly due: bigint;
  readonly workerGain: bigint;
  readonly clientLoss: bigint;
  readonly refunded: bigint;
  /** Payments that the client never acknowledged, and which the worker proved on chain when it closed. */
  readonly provenOnChain: number;
  readonly transactions: number;
  readonly gas: bigint;
  readonly settlement: Hex;
  readonly seconds: number;
};

/**
 * Lets a client pay a worker for extracting fields from texts. An evaluator checks each piece against its schema; the
 * client moves what succeeded into its total and drops what failed. After the last tasks it falls silent, and the
 * worker closes the channel with the evidence it has: no payment takes a transaction of its own.
 *
 * @param chain - Where the contracts are.
 * @param count - How many tasks.
 * @param onProgress - Told after each verdict.
 * @returns What it came to.
 */
export async function payForTasks(
  chain: DemoChain,
  count: number,
  onProgress: (done: number, due: bigint) => void,
): Promise<TasksResult> {
  const [client, worker] = [chain.newClient(), chain.newClient()];
  await chain.faucet(client.account.address, money);
  await chain.giveGas(worker.account.address);
  const fromBlock = await chain.nextBlock();
  const channel = await openChannel(chain, client, worker);
  const folder = mkdtempSync(join(tmpdir(), "subfen-evaluator-"));
  const { evaluator, close } = await openEvaluator(chain, folder);
  const start = performance.now();
  try {
    const payer = createPayer(chain, client, channel, evaluator.address);
    const payee = createPayee(chain, worker, channel, evaluator);
    const queue = extractionTasks(count).map((task, index) => ({ task, index }));
    let [done, succeeded, earned] = [0, 0, 0n];
    let answered: Answer[] = [];
    while (queue.length > 0) {
      await payee.accept(await payer.order(queue.splice(0, together), answered));
      answered = [];
      for await (const { ref, evidence, due } of payee.work(payer.pieces)) {
        answered.push({ ref, evidence });
        if (due > 0n) succeeded++;
        onProgress(++done, (earned += due));
      }
    }
    const { hash, proven } = await payee.close();
    const seconds = (performance.now() - start) / 1000;
    const workerGain = await chain.balanceOf(worker.account.address);
    const left = await chain.balanceOf(client.account.address);
    return {
      tasks: done,
      succeeded,
      failed: done - succeeded,
      due: earned,
      workerGain,
      clientLoss: money - left,
      refunded: deposit - workerGain,
      provenOnChain: proven,
      ...(await chain.gasOf(chain.channels, fromBlock)),
      settlement: hash,
      seconds,
    };
  } finally {
    await close();
    rmSync(folder, { recursive: true });
  }
}

type Channel = { readonly terms: Terms; readonly channelId: Hex };
/** A task that was ordered. */
type Piece = { readonly task: ExtractionTask; readonly index: number; readonly payment: Payment };
type Payment = { readonly ref: Hex; readonly amount: bigint; readonly condition: AttestationCondition };
type Statement = { cumulativeAmount: bigint; payments: readonly StatedPayment[]; signature: Hex };
type Answer = { readonly ref: Hex; readonly evidence: Hex };

/** The worker relays the client's authorization, so that the client needs no gas. */
async function openChannel(chain: DemoChain, client: DemoClient, worker: DemoClient): Promise<Channel> {
  const { chainId, channels: contract, token } = chain;
  const payer = client.account.address;
  const terms = { payer, payee: worker.account.address, token, salt: randomBytes32(), authorizedSigner: zeroAddress };
  const message = {
    from: payer,
    to: contract,
    value: deposit,
    validAfter: 0n,
    validBefore: (await chain.now()) + 600n,
    nonce: openAuthorizationNonce(terms),
  };
  const domain = await worker.getTokenDomain({ token, chainId });
  const signature = await signReceiveWithAuthorization({ account: client.account, domain, ...message });
  const hash = await worker.openChannelWithAuthorization({
    contract,
    terms,
    deposit,
    authorization: message,
    signature,
  });
  await worker.confirmTransaction({ hash });
  return { terms, channelId: computeChannelId({ contract, chainId, terms }) };
}

/** Who has the work done: signs what it owes, and what it will owe if the evaluator says so. */
function createPayer(chain: DemoChain, client: DemoClient, { channelId }: Channel, evaluator: Address) {
  const { chainId, channels: contract, attestation: condition } = chain;
  const contracts = { attestation: condition };
  const policy: PayerPolicy = {
    mostLiability: deposit,
    mostPayment: pricePerTask,
    contracts,
    kinds: ["attestation"],
    evaluators: [evaluator],
    mostJudgePeriod: 3_600n,
  };
  let signed = nothingSigned;
  let pieces: Piece[] = [];

  return {
    /** What the newest statement ordered. */
    get pieces(): readonly Piece[] {
      return pieces;
    },
    /** Signs the next statement: what is proven goes into the total, what is not is dropped, the new tasks are added. */
    async order(tasks: readonly Omit<Piece, "payment">[], answered: readonly Answer[]): Promise<Statement> {
      const fold: { ref: Hex; due: bigint }[] = [];
      for (const { ref, evidence } of answered) {
        const payment = signed.payments.find((one) => one.ref === ref);
        if (!payment) throw new Error(`The worker answered ${ref}, which was not ordered.`);
        fold.push({ ref, due: await proveDue({ contracts, chainId, channelId, payment, evidence }) });
      }
      const now = await chain.now();
      pieces = tasks.map(({ task, index }) => ({ task, index, payment: newPayment(task.spec, now + 3_600n) }));
      const plan = planStatement({
        signed,
        policy,
        deposit,
        spent: 0n,
        openCalls: [],
        fold: fold.filter(({ due }) => due > 0n),
        drop: fold.filter(({ due }) => due === 0n).map(({ ref }) => ref),
        add: pieces.map(({ payment }) => payment),
        now,
      });
      if (plan.outcome === "refused") throw new Error(explainPlanRefusal(plan.reason).message);
      signed = plan.next;
      const { account } = client;
      const signature = await signConditionalVoucher({ account, contract, chainId, channelId, ...plan.statement });
      return { ...plan.statement, signature };
    },
  };

  function newPayment(spec: Spec, judgeBy: bigint): Payment {
    const evaluators = [evaluator];
    return {
      ref: randomBytes32(),
      amount: pricePerTask,
      condition: attestation({ condition, chainId, evaluators, threshold: 1, specHash: hashSpec(spec), judgeBy }),
    };
  }
}

/** Who works: accepts what its rules allow, works, and has the work judged. */
function createPayee(chain: DemoChain, worker: DemoClient, { terms, channelId }: Channel, evaluator: Evaluator) {
  const { chainId, channels: contract, token, attestation: condition } = chain;
  const contracts = { attestation: condition };
  const policy: PayeePolicy = {
    payee: worker.account.address,
    token,
    contracts,
    acceptsCondition: (one) => one.kind === "attestation" && one.evaluators.every((key) => key === evaluator.address),
    creditLimit: BigInt(together) * pricePerTask,
  };
  let accepted = nothingAccepted;
  let newest: Statement | undefined;
  let earned = 0n;

  return {
    async accept(statement: Statement): Promise<void> {
      const at = { contract, chainId, channelId };
      const isSignatureValid = await verifyConditionalVoucher({ ...at, ...statement, signer: terms.payer });
      const judgement = judgeStatement({
        channel: {
          contract,
          chainId,
          terms,
          isContractKnown: isKnownCode((await worker.getCode({ address: contract })) ?? "0x", "PaymentChannels"),
          closeGracePeriod: 900,
          ...(await worker.getChannel({ contract, channelId })),
        },
        policy,
        accepted,
        statement: { ...statement, channelId, isSignatureValid },
        now: await chain.now(),
      });
      if (judgement.outcome === "refused") throw new Error(explainStatementRefusal(judgement.reason).message);
      accepted = judgement.next;
      newest = statement;
    },

    /** Does what was ordered; what the evaluator signed is the evidence, good or bad. */
    async *work(pieces: readonly Piece[]): AsyncGenerator<Answer & { due: bigint }> {
      for (const { task, index, payment } of pieces) {
        const { ref, amount } = payment;
        const deliverable = extract(task, index);
        const paymentId = computePaymentId({ channelId, ref });
        const { judgeBy } = payment.condition;
        const { verdict, signature } = await evaluator.evaluate({
          paymentId,
          amount,
          spec: task.spec,
          deliverable,
          judgeBy,
        });
        const { deliverableHash, issuedAt } = verdict;
        const evidence = payment.condition.encodeEvidence({
          deliverableHash,
          attestations: [{ evaluator: 0, amount: verdict.amount, issuedAt, signature }],
        });
        const due = await payment.condition.amountDue({ paymentId, amount, evidence });
        const taken = addEvidence({ accepted, ref, evidence, due });
        if (taken.outcome === "raised") {
          accepted = taken.next;
          earned += taken.gain;
        }
        // What was judged to be worth less is no debt of the client's: its credit is not used up.
        const settled = setWork({ accepted, ref, work: due, creditLimit: policy.creditLimit });
        if (settled.outcome === "set") accepted = settled.next;
        yield { ref, evidence, due };
      }
    },

    /** Captures what was earned, with the evidence for what the client has not moved into its total, and ends the channel. */
    async close(): Promise<{ hash: Hex; proven: number }> {
      if (!newest) throw new Error("Nothing was ordered.");
      const evidence = accepted.payments.filter(({ due }) => due > 0n);
      const { hash, proven } = await worker.closeChannelConditionally({
        contract,
        terms,
        statement: newest,
        evidence,
        amount: earned,
      });
      await worker.confirmTransaction({ hash });
      return { hash, proven: proven.length };
    },
  };
}

/** An evaluator with a durable record: its first verdict on a payment is final. */
async function openEvaluator({ attestation: condition, chainId }: DemoChain, folder: string) {
  const account = privateKeyToAccount(generatePrivateKey());
  const owner = { evaluator: account.address, condition, chainId };
  const record = await createSqliteRecord({ path: join(folder, "verdicts.db"), owner });
  const evaluator = createEvaluator({ account, condition, chainId, record, checks: [jsonSchema()] });
  return {
    evaluator,
    async close(): Promise<void> {
      await evaluator.close();
      await record.close();
    },
  };
}
