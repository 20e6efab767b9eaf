import { expect } from "chai";
import type { Hex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

import { parseYuan } from "../../sdk/src/index.ts";
import { formatSessionPayload, parseChallenges } from "../../sdk/src/wire/index.ts";
import { createWorld, type World } from "./helpers.ts";
import { type Call, type Channel, openStall, price, type Reply, type Stall } from "./stall.ts";

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const stranger = privateKeyToAccount(generatePrivateKey());
const deposit = parseYuan("1");

describe("a voucher", () => {
  let world: World;
  let stall: Stall;
  let channel: Channel;
  before(async () => {
    world = await createWorld();
  });
  beforeEach(async () => {
    stall = await openStall(world);
    channel = await stall.open({ deposit });
  });
  afterEach(() => stall.close());

  /** Refused by this problem with a fresh challenge; nothing was accepted, reserved, charged or done. */
  async function expectRefusal(reply: Reply, status: number, code: string): Promise<void> {
    expect(reply.problem?.code, reply.text).to.equal(code);
    expect(reply.status).to.equal(status);
    expect(reply.receipt).to.equal(undefined);
    expect(reply.headers.get("cache-control")).to.equal("no-store");
    const challenges = parseChallenges(reply.headers.get("www-authenticate"));
    expect(challenges).to.have.lengthOf(status === 402 ? 1 : 0);
    expect(stall.worked).to.deep.equal([]);
    expect(await stall.record(channel)).to.include({ accepted: 0n, spent: 0n, held: 0n });
  }

  it("buys a request, and the receipt says what it has cost", async () => {
    const challenge = await stall.challenge();
    const reply = await stall.buy(channel, price, { challenge });
    expect(reply.status).to.equal(200);
    expect(reply.text).to.equal("did x");
    expect(reply.headers.get("cache-control")).to.equal("private");
    const { timestamp, proof, ...rest } = reply.receipt!;
    expect(rest).to.deep.equal({
      challengeId: challenge.id,
      channelId: channel.channelId,
      chainId: 31337,
      acceptedCumulative: price,
      spent: price,
      amount: price,
      held: 0n,
    });
    expect(Math.abs(Date.parse(timestamp) - Date.now())).to.be.lessThan(5000);
    expect(proof).to.include.keys("signature", "statementHash", "requestHash", "responseHash", "issuedAt");
    expect(stall.worked.map(({ body }) => body)).to.deep.equal(["x"]);
  });

  describe("signature", () => {
    it("F001: is of no worth on another channel of the same two", async () => {
      const other = await stall.open({ deposit });
      const { signature } = await stall.voucher(other, price);
      const reply = await stall.pay({ action: "voucher", ...channel, cumulativeAmount: price, signature });
      await expectRefusal(reply, 402, "signer-mismatch");
      expect(reply.problem?.members).to.include({ channelId: channel.channelId });
    });

    for (const [name, changes] of [
      ["another contract", { contract: `0x${"11".repeat(20)}` }],
      ["another chain", { chainId: 1 }],
      ["a stranger", { account: stranger }],
    ] as const) {
      it(`F001: is refused when it is of ${name}`, async () => {
        await expectRefusal(await stall.pay(await stall.voucher(channel, price, changes)), 402, "signer-mismatch");
      });
    }

    it("is refused when it is over another amount, whatever that is", async () => {
      const voucher = await stall.voucher(channel, price);
      for (const cumulativeAmount of [0n, price - 1n, price + 1n, deposit, 2n ** 128n - 1n]) {
        await expectRefusal(await stall.pay({ ...voucher, cumulativeAmount }), 402, "signer-mismatch");
      }
    });

    it("must be the channel's signer's where it has one, and not the payer's", async () => {
      const signer = stranger.address;
      const delegated = await stall.open({ terms: { authorizedSigner: signer }, signer: stranger });
      const own = await stall.pay(await stall.voucher(delegated, price));
      expect(own.problem?.code).to.equal("signer-mismatch");
      const theirs = await stall.pay(await stall.voucher(delegated, price, { account: stranger }));
      expect(theirs.status).to.equal(200);
    });

    it("F014: is refused in its high-s form, with v 0 or 1, and when it is nobody's", async () => {
      const { signature, ...voucher } = await stall.voucher(channel, price);
      const [r, s, v] = [signature.slice(2, 66), BigInt(`0x${signature.slice(66, 130)}`), signature.slice(130)];
      const twin = (order - s).toString(16).padStart(64, "0");
      const other = v === "1b" ? "1c" : "1b";
      for (const bad of [`${r}${twin}${other}`, `${r}${twin}${v}`, `${signature.slice(2, 130)}00`, "00".repeat(65)]) {
        const reply = await stall.pay({ ...voucher, signature: `0x${bad}` });
        await expectRefusal(reply, 402, "invalid-signature");
      }
      await expectRefusal(
        await stall.pay({ ...voucher, signature: `0x${signature.slice(2, 130)}${other}` }),
        402,
        "signer-mismatch",
      );
    });

    it("F014: is malformed in its compact form", async () => {
      const wire = formatSessionPayload(await stall.voucher(channel, price)) as Record<string, string>;
      await expectRefusal(
        await stall.payRaw({ ...wire, signature: wire["signature"]!.slice(0, -2) }),
        400,
        "malformed-payload",
      );
    });

    it("F014: is no other statement in upper case: the same request gets its answer again", async () => {
      const voucher = await stall.voucher(channel, price);
      expect((await stall.pay(voucher)).status).to.equal(200);
      const wire = formatSessionPayload(voucher) as Record<string, string>;
      const shout = (text: string) => `0x${text.slice(2).toUpperCase()}`;
      const upper = { ...wire, channelId: shout(channel.channelId), signature: shout(wire["signature"]!) };
      const reply = await stall.payRaw(upper);
      expect(reply.status).to.equal(200);
      expect(reply.receipt).to.include({ spent: price });
      expect((await stall.payRaw(upper, { body: "another" })).problem?.code).to.equal("statement-used");
      expect(stall.worked).to.have.lengthOf(1);
    });

    it("is checked before anything is told of the channel", async () => {
      await stall.buy(channel, price);
      for (const cumulativeAmount of [0n, price]) {
        const reply = await stall.pay(await stall.voucher(channel, cumulativeAmount, { account: stranger }));
        expect(reply.problem?.code).to.equal("signer-mismatch");
        expect(reply.problem?.members).not.to.have.any.keys("spent", "acceptedCumulative", "deposit");
      }
    });
  });

  describe("amount", () => {
    it("F012: of the whole deposit is good, one above it is not", async () => {
      const reply = await stall.buy(channel, deposit + 1n);
      await expectRefusal(reply, 402, "amount-exceeds-deposit");
      expect(reply.problem?.members).to.include({ deposit: String(deposit), acceptedCumulative: "0" });
      await expectRefusal(await stall.buy(channel, 2n ** 128n - 1n), 402, "amount-exceeds-deposit");
      expect((await stall.buy(channel, deposit)).status).to.equal(200);
    });

    for (const amount of [2n ** 128n, 2n ** 128n + 5n, 2n ** 256n - 1n, -1n]) {
      it(`F012: of ${amount} is malformed and never cut to size`, async () => {
        const wire = formatSessionPayload(await stall.voucher(channel, price)) as Record<string, string>;
        const reply = await stall.payRaw({ ...wire, cumulativeAmount: String(amount) });
        await expectRefusal(reply, 400, "malformed-payload");
      });
    }

    it("must cover what is spent, held and asked for; the answer says how much that is", async () => {
      await stall.buy(channel, price);
      const { started, finish } = stall.pauseWork("slow");
      const slow = stall.buy(channel, 2n * price);
      await started;
      stall.work = () => new Response("quick");

      const reply = await stall.buy(channel, 3n * price - 1n);
      expect(reply.status).to.equal(402);
      expect(reply.problem).to.include({ code: "insufficient-balance" });
      expect(reply.problem?.members).to.deep.include({
        channelId: channel.channelId,
        requiredCumulative: String(3n * price),
        acceptedCumulative: String(3n * price - 1n),
        spent: String(price),
        held: String(price),
        amount: String(price),
        deposit: String(deposit),
      });
      expect(parseChallenges(reply.headers.get("www-authenticate"))).to.have.lengthOf(1);

      expect((await stall.buy(channel, 3n * price)).text).to.equal("quick");
      finish();
      expect((await slow).text).to.equal("slow");
      expect(await stall.record(channel)).to.include({ spent: 3n * price, held: 0n, accepted: 3n * price });
    });

    it("must grow by minVoucherDelta where the seller wants that", async () => {
      const picky = await openStall(world, { gateway: { minVoucherDelta: 2n * price } });
      const one = await picky.open();
      expect((await picky.buy(one, 2n * price)).status).to.equal(200);
      expect((await picky.buy(one, 4n * price - 1n)).problem?.code).to.equal("delta-too-small");
      expect((await picky.buy(one, 4n * price)).status).to.equal(200);
      await picky.close();
    });

    it("may be the ceiling of many requests: what is not spent stays the payer's", async () => {
      expect((await stall.buy(channel, 100n * price)).receipt).to.include({ spent: price });
      expect((await stall.buy(channel, 50n * price)).receipt).to.include({
        spent: 2n * price,
        acceptedCumulative: 100n * price,
      });
    });
  });

  describe("channel", () => {
    it("must be known", async () => {
      const { payload } = await stall.opening();
      const reply = await stall.buy(payload, price);
      await expectRefusal(reply, 410, "channel-not-found");
      expect(reply.problem?.members).to.include({ channelId: payload.channelId });
    });

    it("is not the payer's to name when it is another seller's", async () => {
      const other = await openStall(world);
      const theirs = await other.open();
      await expectRefusal(await stall.buy(theirs, price), 410, "channel-not-found");
      await other.close();
    });

    for (const recheckAfter of [0, 60]) {
      it(`F007: buys nothing more once its payer wants it back, noticed after ${recheckAfter} s`, async () => {
        const careful = await openStall(world, { gateway: { recheckAfter } });
        const own = await careful.open();
        await careful.buy(own, price);
        const { contract } = world.channels;
        const payer = await world.ethers.getImpersonatedSigner(world.payer.address);
        await contract.connect(payer).getFunction("requestClose")(own.terms);
        if (recheckAfter > 0) {
          expect((await careful.buy(own, 2n * price)).status).to.equal(200);
          careful.clock.offset = recheckAfter * 1000 - 2000;
          expect((await careful.buy(own, 3n * price)).status).to.equal(200);
          careful.clock.offset = recheckAfter * 1000 + 2000;
        }
        const worked = careful.worked.length;
        const reply = await careful.buy(own, 10n * price);
        expect(reply.status).to.equal(409);
        expect(reply.problem?.code).to.equal("channel-closing");
        expect(careful.worked).to.have.lengthOf(worked);
        // The buyer was told, and may still have the answers it paid for.
        expect((await careful.buy(own, price)).status).to.equal(200);
        await careful.close();
      });
    }

    it("buys nothing more once it is closed on the chain", async () => {
      const careful = await openStall(world, { gateway: { recheckAfter: 0 } });
      const own = await careful.open();
      const seller = await world.ethers.getImpersonatedSigner(world.seller.address);
      const claim = { terms: own.terms, amount: 0n, cumulativeAmount: 0n, signature: "0x" };
      await world.channels.contract.connect(seller).getFunction("close")(claim);
      const reply = await careful.buy(own, price);
      expect(reply.status).to.equal(410);
      expect(reply.problem?.code).to.equal("channel-finalized");
      expect(careful.worked).to.deep.equal([]);
      await careful.close();
    });
  });

  describe("again", () => {
    const headersOf = ({ headers }: Reply) => {
      const { date: _date, "payment-receipt": _receipt, ...rest } = Object.fromEntries(headers);
      return rest;
    };

    it("F011, F057: for the same request gives the same answer, byte for byte, charged and done once", async () => {
      let count = 0;
      stall.work = () => {
        count++;
        const headers = { "content-type": "application/octet-stream", "x-count": String(count) };
        return new Response(Uint8Array.from([0, 255, 10, 13, count]), { status: 201, headers });
      };
      const call: Call = { headers: { "idempotency-key": "k" } };
      const voucher = await stall.voucher(channel, price);
      const first = await stall.pay(voucher, call);
      for (let again = 0; again < 3; again++) {
        const reply = await stall.pay(voucher, call);
        expect(reply.status).to.equal(201);
        expect(reply.text).to.equal(first.text);
        expect(headersOf(reply)).to.deep.equal(headersOf(first));
        expect(reply.receipt).to.deep.include({ spent: price, amount: price, acceptedCumulative: price });
      }
      expect(stall.worked).to.have.lengthOf(1);
      expect(await stall.record(channel)).to.include({ spent: price, held: 0n });
    });

    it("gives it under a fresh challenge too, since the old one may have expired", async () => {
      const voucher = await stall.voucher(channel, price);
      await stall.pay(voucher);
      stall.clock.offset = 700_000;
      const challenge = await stall.challenge();
      expect((await stall.pay(voucher, { challenge })).text).to.equal("did x");
      expect(stall.worked).to.have.lengthOf(1);
    });

    for (const [name, call] of [
      ["body", { body: "y" }],
      ["path", { path: "/other" }],
      ["path, by case", { path: "/Work" }],
      ["query", { path: "/work?q=1" }],
      ["method", { method: "PUT" }],
      ["idempotency key", { headers: { "idempotency-key": "k" } }],
    ] as [string, Call][]) {
      it(`F060: for another ${name} is a 409`, async () => {
        const voucher = await stall.voucher(channel, price);
        await stall.pay(voucher);
        const reply = await stall.pay(voucher, call);
        expect(reply.status).to.equal(409);
        expect(reply.problem?.code).to.equal("statement-used");
        expect(reply.receipt).to.equal(undefined);
        expect(stall.worked).to.have.lengthOf(1);
        expect(await stall.record(channel)).to.include({ spent: price, held: 0n });
      });
    }

    it("F057: 50 copies at once are done and charged once; the others wait or get the answer", async () => {
      stall.work = async () => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        return new Response("done");
      };
      const authorization = await stall.credential(await stall.voucher(channel, price));
      const replies = await Promise.all(Array.from({ length: 50 }, () => stall.ask({ headers: { authorization } })));
      const outcomes = replies.map(({ status, text, problem }) => (status === 200 ? text : problem?.code));
      expect(new Set(outcomes)).to.deep.equal(new Set(["done", "request-in-progress"]));
      expect(replies.filter(({ status }) => ![200, 409].includes(status))).to.deep.equal([]);
      expect(stall.worked).to.have.lengthOf(1);
      expect(await stall.record(channel)).to.include({ spent: price, held: 0n });
    });

    it("F057: copies at three gateways over one ledger are done and charged once", async () => {
      const { ledger } = stall.gateway;
      const others = [await openStall(world, { gateway: { ledger } }), await openStall(world, { gateway: { ledger } })];
      const stalls = [stall, ...others];
      const authorization = await stall.credential(await stall.voucher(channel, price));
      const copies = Array.from({ length: 30 }, (_, i) => stalls[i % 3]!.ask({ headers: { authorization } }));
      const codes = (await Promise.all(copies)).map(({ status, problem }) =>
        status === 200 ? "served" : problem?.code,
      );
      expect(codes).to.include("served");
      expect(codes.filter((code) => code !== "served" && code !== "request-in-progress")).to.deep.equal([]);
      expect(stalls.flatMap(({ worked }) => worked)).to.have.lengthOf(1);
      expect(await stall.record(channel)).to.include({ spent: price, held: 0n });
      for (const other of others) await other.close();
    });

    it("tells that the answer is too large to be kept, and charges nothing", async () => {
      const small = await openStall(world, { gateway: { maxKeptAnswer: 4 } });
      const own = await small.open();
      for (const [amount, text, status] of [
        [price, "1234", 200],
        [2n * price, "12345", 409],
      ] as const) {
        small.work = () => new Response(text);
        expect((await small.buy(own, amount)).text).to.equal(text);
        const again = await small.buy(own, amount);
        expect(again.status).to.equal(status);
        if (status === 409) expect(again.problem).to.include({ code: "answer-not-kept" });
      }
      expect(small.worked).to.have.lengthOf(2);
      expect(await small.record(own)).to.include({ spent: 2n * price });
      await small.close();
    });
  });

  describe("idempotency keys", () => {
    const call: Call = { headers: { "idempotency-key": "key" } };

    it("give the answer again although the statement is a new one, which is not accepted", async () => {
      await stall.buy(channel, price, call);
      const again = await stall.buy(channel, 2n * price, call);
      expect(again.status).to.equal(200);
      expect(again.receipt).to.include({ spent: price, amount: price, acceptedCumulative: price });
      expect(stall.worked).to.have.lengthOf(1);
    });

    it("are a 409 for another request", async () => {
      await stall.buy(channel, price, call);
      for (const change of [{ body: "y" }, { path: "/other" }, { method: "PUT" }]) {
        const reply = await stall.buy(channel, 2n * price, { ...call, ...change });
        expect(reply.status).to.equal(409);
        expect(reply.problem?.code).to.equal("idempotency-key-reused");
      }
      expect(stall.worked).to.have.lengthOf(1);
    });

    it("belong to their channel: another payer may choose the same", async () => {
      const other = await stall.open();
      await stall.buy(channel, price, call);
      const reply = await stall.buy(other, price, { ...call, body: "y" });
      expect(reply.text).to.equal("did y");
    });

    it("that are empty are none", async () => {
      const empty: Call = { headers: { "idempotency-key": "" } };
      expect((await stall.buy(channel, price, empty)).status).to.equal(200);
      expect((await stall.buy(channel, 2n * price, { ...empty, body: "y" })).status).to.equal(200);
    });
  });

  describe("many at once", () => {
    it("are all served, 16 calls in any order of arrival, sums exact", async () => {
      const amounts = Array.from({ length: 16 }, (_, i) => BigInt(i + 1) * price);
      // The highest first: every other one arrives late.
      const shuffled = [...amounts.slice(8).toReversed(), ...amounts.slice(0, 8)];
      const replies = await Promise.all(
        shuffled.map((amount) => stall.buy(channel, amount, { body: `call ${amount}` })),
      );
      for (const [i, reply] of replies.entries()) {
        expect(reply.status, reply.text).to.equal(200);
        expect(reply.text).to.equal(`did call ${shuffled[i]}`);
        expect(reply.receipt).to.include({ amount: price });
      }
      expect(await stall.record(channel)).to.include({ accepted: 16n * price, spent: 16n * price, held: 0n });
    });

    it("F094: of 30 calls on credit for 12 exactly 12 are served", async () => {
      await stall.pay(await stall.voucher(channel, 12n * price), { method: "HEAD" });
      const replies = await Promise.all(
        Array.from({ length: 30 }, (_, i) => stall.buy(channel, BigInt(i + 1), { body: String(i) })),
      );
      expect(replies.filter(({ status }) => status === 200)).to.have.lengthOf(12);
      expect(replies.filter(({ problem }) => problem?.code === "insufficient-balance")).to.have.lengthOf(18);
      expect(stall.worked).to.have.lengthOf(12);
      expect(await stall.record(channel)).to.include({ spent: 12n * price, held: 0n });
    });

    it("a late lower one buys once and lowers nothing", async () => {
      await stall.buy(channel, 3n * price);
      const late = await stall.buy(channel, 2n * price, { body: "late" });
      expect(late.text).to.equal("did late");
      expect(late.receipt).to.include({ acceptedCumulative: 3n * price, spent: 2n * price });
      expect((await stall.buy(channel, 2n * price, { body: "other" })).problem?.code).to.equal("statement-used");
    });
  });

  describe("on HEAD", () => {
    const head: Call = { method: "HEAD" };

    it("F065: is accepted without any work, and may then buy", async () => {
      const reply = await stall.buy(channel, 2n * price, head);
      expect(reply.status).to.equal(204);
      expect(reply.receipt).to.include({ acceptedCumulative: 2n * price, spent: 0n, amount: 0n });
      expect(reply.headers.get("cache-control")).to.include("private").and.include("no-store");
      expect(stall.worked).to.deep.equal([]);
      expect((await stall.buy(channel, 2n * price)).status).to.equal(200);
    });

    it("F011: an equal or lower one is answered with the highest; nothing is charged or done", async () => {
      await stall.buy(channel, 30n * price, head);
      for (const amount of [30n * price, 20n * price, 0n]) {
        const reply = await stall.buy(channel, amount, head);
        expect(reply.status).to.equal(204);
        expect(reply.receipt).to.include({ acceptedCumulative: 30n * price, spent: 0n });
      }
      expect(stall.worked).to.deep.equal([]);
      expect(await stall.record(channel)).to.include({ accepted: 30n * price, spent: 0n, held: 0n });
    });

    it("is refused like any other", async () => {
      const other: Hex = `0x${"ab".repeat(32)}`;
      expect((await stall.buy(channel, deposit + 1n, head)).status).to.equal(402);
      expect((await stall.buy({ ...channel, channelId: other }, 1n, head)).status).to.equal(410);
      expect((await stall.pay(await stall.voucher(channel, 1n, { account: stranger }), head)).status).to.equal(402);
      expect(await stall.record(channel)).to.include({ accepted: 0n });
    });
  });
});
