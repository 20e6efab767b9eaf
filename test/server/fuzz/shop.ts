import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Hex, keccak256, stringToHex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

import { hashlock, hashPreimage, parseYuan, signTransferWithAuthorization } from "../../../sdk/src/index.ts";
import { createSqliteLedger, type Ledger, openLedgerReader } from "../../../sdk/src/ledger/index.ts";
import { chargeAuthorizationNonce } from "../../../sdk/src/protocol/index.ts";
import { createChallenger } from "../../../sdk/src/server/challenger.ts";
import { audit, type GatewayEvent, pricePerMillionTokens, pricePerRequest } from "../../../sdk/src/server/index.ts";
import {
  type Challenge,
  formatChargePayload,
  formatCredential,
  formatSessionPayload,
  type Json,
  parseChallenges,
  parseSessionReceipt,
  type SessionPayload,
  type WirePayment,
} from "../../../sdk/src/wire/index.ts";
import {
  conditionalVoucher,
  createConditionalWorld,
  deposit,
  nextRef,
  startTicks,
  tickPayment,
} from "../conditionalStall.ts";
import { serve } from "../helpers.ts";
import { type Channel, nextSalt, openStall, price, type Reply, realm, secret } from "../stall.ts";
import type { ChallengeName, Credential, MaterialName } from "./hostile.ts";
import type { Material } from "./send.ts";

const maxBody = 4096;
const stranger = privateKeyToAccount(generatePrivateKey());
/** Has signed, but has no money. */
const poor = privateKeyToAccount(generatePrivateKey());

export type Shop = Awaited<ReturnType<typeof openShop>>;

/** A gateway that takes everything, its honest buyer, and what a stranger can build credentials from. */
export async function openShop() {
  const { world, conditions } = await createConditionalWorld();
  await world.token.contract.faucet(stranger.address, parseYuan("1"));
  const folder = mkdtempSync(join(tmpdir(), "subfen-fuzz-"));
  const path = join(folder, "ledger.db");
  const { chainId, channels, token, seller, payer } = world;
  const owner = { chainId, contract: channels.address, token: token.address, payee: seller.address };
  const ledger: Ledger = await createSqliteLedger({ path, owner });
  const failures: Extract<GatewayEvent, { kind: "answered" }>[] = [];
  const offer = { price: pricePerRequest(price), conditional: true };
  const tokens = { price: pricePerMillionTokens({ input: 2_000_000n, output: 8_000_000n }), conditional: true };
  const stall = await openStall(world, {
    offer,
    gateway: {
      ledger,
      settler: false,
      charge: { minAmount: 1n },
      ticks: { condition: conditions.ticks, window: 8 },
      conditional: { contracts: { hashlock: conditions.hashlock }, creditLimit: parseYuan("1") },
      maxBody,
      transactionTimeout: 20,
      drainTimeout: 20,
      paymentTimeout: 20,
      observe: (event) => {
        if (event.kind === "answered" && event.status >= 500) failures.push(event);
      },
    },
    serve: (gateway, sold, work) =>
      serve((request) => gateway.charge(request, new URL(request.url).pathname === "/tokens" ? tokens : sold, work)),
  });
  stall.work = async (request) => {
    const text = await request.text();
    if (!request.url.endsWith("/stream")) return new Response(`did ${text}`);
    const events = ["a", "b", "c"].map((word) => `data: ${word} ${text}\n\n`).join("");
    return new Response(events, { headers: { "content-type": "text/event-stream" } });
  };

  const plain = await stall.open({ deposit });
  const streamed = await stall.open({ deposit });
  const promised = await stall.open({ deposit });
  const { channel: ticked, ticks } = await startTicks(stall, conditions.ticks, { tickCount: 1000 });
  /** Too little for anything that is sold. */
  const theirs = await stall.open({ account: stranger, deposit: price - 1n });

  /** What was bought on each channel. */
  const bought = new Map<Channel, { count: bigint; receipts: bigint }>();
  const materials = new Map<MaterialName, Material[]>();

  function remember(name: MaterialName, material: Material): void {
    const known = materials.get(name) ?? [];
    // The newest ones, so that it stays a mix.
    materials.set(name, [...known.slice(-20), material]);
  }

  const session = await stall.anyChallenge();
  const asOf = (payload: SessionPayload, body?: string): Material => ({
    challenge: session as Json,
    payload: formatSessionPayload(payload),
    ...(body === undefined ? {} : { body }),
  });

  async function count(channel: Channel, reply: Reply, amount = price): Promise<void> {
    const before = bought.get(channel) ?? { count: 0n, receipts: 0n };
    bought.set(channel, { count: before.count + 1n, receipts: before.receipts + amount });
    if (reply.status !== 200) throw new Error(`an honest call was answered ${reply.status} ${reply.text}`);
  }

  let calls = 0;
  const countOf = (channel: Channel): bigint => bought.get(channel)?.count ?? 0n;

  async function buyPlain(): Promise<void> {
    const text = `honest ${++calls}`;
    const voucher = await stall.voucher(plain, (countOf(plain) + 1n) * price);
    const reply = await stall.pay(voucher, { body: text });
    await count(plain, reply, reply.receipt?.amount);
    if (reply.text !== `did ${text}`) throw new Error(`it was answered ${reply.text}`);
    remember("voucher", asOf(voucher as SessionPayload, text));
  }

  async function buyStream(): Promise<void> {
    const text = `honest ${++calls}`;
    const voucher = await stall.voucher(streamed, (countOf(streamed) + 1n) * price);
    const reply = await stall.pay(voucher, { body: text, path: "/stream" });
    const [, receipt = ""] = /receipt ([\w-]+)/.exec(reply.text) ?? [];
    await count(streamed, reply, parseSessionReceipt(receipt).amount);
    if (!reply.text.includes(`data: c ${text}\n`)) throw new Error(`it was answered ${reply.text}`);
    remember("stream", asOf(voucher as SessionPayload, text));
  }

  async function buyByTick(): Promise<void> {
    const text = `honest ${++calls}`;
    const tick = ticks.tick(2 * (Number(countOf(ticked)) + 1));
    const reply = await stall.pay(tick, { body: text });
    await count(ticked, reply, reply.receipt?.amount);
    if (reply.text !== `did ${text}`) throw new Error(`it was answered ${reply.text}`);
    remember("tick", asOf(tick, text));
  }

  async function buyByPromise(): Promise<void> {
    const text = `honest ${++calls}`;
    const preimage = keccak256(stringToHex(text));
    const { address, parameters } = hashlock({ condition: conditions.hashlock, sha256Hash: hashPreimage(preimage) });
    const payment: WirePayment = { ref: nextRef(), condition: address, parameters, amount: price };
    // What was proven before is folded into the total.
    const total = countOf(promised) * price + 1n;
    const voucher = await conditionalVoucher(stall, promised, total, [payment], { ref: payment.ref });
    const reply = await stall.pay(voucher, { body: text });
    const { channelId } = promised;
    const proof = await stall.gateway.prove({ channelId, ref: payment.ref, evidence: preimage });
    if (proof.kind !== "proven") throw new Error(`it was not proven: ${proof.kind}`);
    await count(promised, reply, proof.due);
    remember("conditional", asOf(voucher, text));
  }

  const ways = [buyPlain, buyStream, buyByTick, buyByPromise];
  let turn = 0;

  const domain = { name: "Mock Digital Yuan", version: "1", chainId, verifyingContract: token.address };
  async function charge(account = payer): Promise<{ material: Material; status: number }> {
    const { headers } = await stall.ask({ body: "charged" });
    const challenge = parseChallenges(headers.get("www-authenticate")).find(({ intent }) => intent === "charge");
    if (!challenge) throw new Error("no charge was offered");
    const authorization = {
      from: account.address,
      to: seller.address,
      value: price,
      validAfter: 0n,
      validBefore: BigInt(Date.parse(challenge.expires ?? "") / 1000),
      nonce: chargeAuthorizationNonce(challenge),
    };
    const signature = await signTransferWithAuthorization({ account, domain, ...authorization });
    const payload = formatChargePayload({ ...authorization, signature });
    const credential = formatCredential({ challenge, payload });
    const { status } = await fetch(`${stall.url}/work`, {
      method: "POST",
      body: "charged",
      headers: { authorization: credential },
    });
    return { material: { challenge: challenge as Json, payload, body: "charged" }, status };
  }

  async function seed(): Promise<void> {
    for (const way of ways) await way();
    const paid = await charge();
    if (paid.status !== 200) throw new Error(`a charge was answered ${paid.status}`);
    remember("charge", paid.material);
    remember("poorCharge", (await charge(poor)).material);

    const opening = await stall.opening({ deposit });
    if ((await stall.pay(opening.payload)).status !== 204) throw new Error("not opened");
    remember("open", asOf(opening.payload));
    // So that it has bought something, and its first statement cannot close it.
    await count(opening.channel, await stall.buy(opening.channel, price, { body: "first" }));
    const added = await stall.topUp(opening.channel, price);
    if ((await stall.pay(added)).status !== 204) throw new Error("not topped up");
    remember("topUp", asOf(added));
    for (const { channelId } of [plain, streamed, opening.channel]) {
      const statement = await stall.voucher({ channelId }, 0n);
      remember("zero", asOf(statement as SessionPayload));
      remember("zero", asOf({ ...statement, action: "close" }));
    }

    const poorOpening = (await stall.opening({ account: poor, deposit, cumulativeAmount: price })).payload;
    remember("poorOpen", asOf(poorOpening));
    const { funding, salt, authorizedSigner, ...statement } = poorOpening;
    const opens = { action: "open", funding, salt, authorizedSigner } as const;
    remember("poorDeposit", asOf({ ...statement, action: "voucher", deposit: opens }));
    remember("poorTopUp", asOf(await stall.topUp(plain, price, poor)));
    const used = materials.get("voucher")?.[0]?.payload as Record<string, Json>;
    const topUp = { action: "topUp", salt: added.salt, funding: added.funding } as const;
    const deposited = asOf({ ...(await stall.voucher(opening.channel, price)), action: "voucher", deposit: topUp });
    remember("deposit", deposited);
    remember("deposit", {
      ...deposited,
      payload: { ...used, deposit: (deposited.payload as Record<string, Json>)["deposit"] },
    });
    const hash = keccak256(stringToHex("no transaction"));
    const source = `did:pkh:eip155:${chainId}:${stranger.address.toLowerCase()}`;
    const own = await stall.opening({ account: stranger });
    remember("hash", { ...asOf({ ...own.payload, funding: { type: "hash", hash } }), source });
    remember(
      "hash",
      asOf({
        action: "topUp",
        channelId: plain.channelId,
        additionalDeposit: 1n,
        salt: nextSalt(),
        funding: { type: "hash", hash },
      }),
    );
  }

  /** What its signer may sign, but has not the money for, or makes no sense. */
  async function seedSigned(): Promise<void> {
    const sign = async (
      total: bigint,
      payments: WirePayment[],
      changes: Parameters<typeof conditionalVoucher>[4] = {},
    ) =>
      remember(
        "signed",
        asOf(await conditionalVoucher(stall, theirs, total, payments, { account: stranger, ...changes })),
      );
    const parameters: Hex[] = ["0x", `0x${"00".repeat(31)}`, `0x${"ff".repeat(96)}`, `0x${"00".repeat(320)}`];
    const own = tickPayment(theirs, conditions.ticks, { tickCount: 100, tickAmount: 1n });
    const endless = tickPayment(theirs, conditions.ticks, { tickCount: 10, tickAmount: 1n, amount: 2n ** 128n - 1n });
    for (const amount of [1n, price - 1n, price, 2n ** 104n, 2n ** 128n - 1n]) {
      remember("signed", asOf((await stall.voucher(theirs, amount, { account: stranger })) as SessionPayload));
    }
    await sign(0n, []);
    await sign(1n, [own.payment]);
    await sign(1n, [own.payment], { evidence: [{ ref: own.ref, evidence: "0x" }] });
    await sign(1n, [endless.payment]);
    await sign(2n ** 128n - 1n, [endless.payment]);
    for (const condition of [conditions.ticks, conditions.hashlock, conditions.attestation, stranger.address]) {
      for (const one of parameters) {
        const payment = { ref: nextRef(), condition, parameters: one, amount: 3n };
        await sign(1n, [own.payment, payment], { ref: payment.ref, evidence: [{ ref: payment.ref, evidence: one }] });
      }
    }
    for (const n of [1, 2, 8, 100]) remember("signed", asOf(own.tick(n)));
    remember("signed", asOf({ ...own.tick(3), n: 4_294_967_296 }));
    remember("signed", asOf({ ...own.tick(3), x: `0x${"00".repeat(32)}` }));
  }

  await seed();
  await seedSigned();

  const past = createChallenger({ secret: Buffer.from(secret), realm, lifetime: 1, now: () => 0 });
  const foreign = createChallenger({ secret: Buffer.from("another secret.."), realm, lifetime: 600, now: Date.now });
  function challengeFor(name: ChallengeName, given: Challenge): Challenge {
    switch (name) {
      case "own":
        return given;
      case "other":
        return { ...session, intent: given.intent === "session" ? "charge" : "session" };
      case "expired":
        return past.issue(given.intent, given);
      case "foreign":
        return foreign.issue(given.intent, given);
      case "forged":
        return { ...given, expires: "2999-01-01T00:00:00Z" };
    }
  }

  return {
    world,
    stall,
    path,
    bought,
    channels: { plain, streamed, promised, ticked },
    theirs,
    stranger,
    /** What was answered with a status from 500. */
    failures,
    port: Number(new URL(stall.url).port),
    /** The next honest call; never two of a way at a time. */
    buy: (): Promise<void> => (ways[turn++ % ways.length] as () => Promise<void>)(),
    /** The material of a recipe, and another for parts. */
    pick(recipe: Credential): [Material, Material] {
      const all = materials.get(recipe.material) ?? [];
      const chosen = all[recipe.pick % all.length];
      const others = [...materials.values()].flat();
      const other = others[recipe.pick % others.length];
      if (!chosen || !other) throw new Error(`nothing was made of ${recipe.material}`);
      const challenge = challengeFor(recipe.challenge, chosen.challenge as Challenge);
      return [{ ...chosen, challenge: challenge as Json }, other];
    },
    async auditBooks() {
      const reader = await openLedgerReader(path);
      try {
        return await audit({ client: world.sellerClient, ledger: reader });
      } finally {
        reader.close();
      }
    },
    async close(): Promise<void> {
      await stall.close();
      await ledger.close();
      rmSync(folder, { recursive: true });
    },
  };
}
