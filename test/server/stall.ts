import { type Address, createWalletClient, custom, type Hex, keccak256, stringToHex, zeroAddress } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";

import {
  computeChannelId,
  openAuthorizationNonce,
  parseYuan,
  signReceiveWithAuthorization,
  signVoucher,
  type Terms,
  topUpAuthorizationNonce,
} from "../../sdk/src/index.ts";
import { type ChannelRecord, createMemoryLedger } from "../../sdk/src/ledger/index.ts";
import { createGateway, type Gateway, type Offer, pricePerRequest, type Work } from "../../sdk/src/server/index.ts";
import {
  type Challenge,
  formatCredential,
  formatSessionPayload,
  type Json,
  parseChallenges,
  parseSessionReceipt,
  type Problem,
  readProblem,
  type SessionPayload,
  type SessionReceipt,
} from "../../sdk/src/wire/index.ts";
import { serve, type World } from "./helpers.ts";

/** What every request costs unless a test says otherwise. */
export const price = parseYuan("0.0012");
export const secret = "0123456789abcdef";
export const realm = "test";

/** A request of a test; a POST of `x` to /work unless it says otherwise. */
export type Call = {
  method?: string;
  path?: string;
  body?: BodyInit | undefined;
  headers?: Record<string, string>;
  /** The challenge to echo; one of this stall's by default. */
  challenge?: Challenge;
  source?: string | undefined;
};

/** What came back, read to its end. */
export type Reply = {
  status: number;
  headers: Headers;
  text: string;
  receipt: SessionReceipt | undefined;
  problem: Problem | undefined;
};

/** An open channel as its payer knows it. */
export type Channel = { terms: Terms; channelId: Hex };

export type Stall = Awaited<ReturnType<typeof openStall>>;

let salts = 0;
/** Another one each time. */
export function nextSalt(): Hex {
  return keccak256(stringToHex(`salt ${salts++}`));
}

/** Builds the terms of a channel of the world's payer. */
export function termsOf(world: World, changes: Partial<Terms> = {}): Terms {
  return {
    payer: world.payer.address,
    payee: world.seller.address,
    token: world.token.address,
    salt: nextSalt(),
    authorizedSigner: zeroAddress,
    ...changes,
  };
}

/**
 * A gateway behind real HTTP, and a buyer that makes its credentials by hand, so that every wrong one can be sent.
 *
 * @param world - The chain.
 * @param options - What differs from a plain shop.
 * @returns The stall; `close` it.
 */
export async function openStall(
  world: World,
  options: {
    offer?: Offer;
    gateway?: Partial<createGateway.Parameters>;
    /** How the gateway is served; by the adapter of node:http by default. */
    serve?: (gateway: Gateway, offer: Offer, work: Work) => Promise<{ url: string; close: () => Promise<void> }>;
  } = {},
) {
  const contract: Address = options.gateway?.contract ?? world.channels.address;
  const token: Address = options.gateway?.token ?? world.token.address;
  const { chainId } = world;
  /** Milliseconds by which the seller's clock is ahead. */
  const clock = { offset: 0 };
  const errors: unknown[] = [];
  const gateway = await createGateway({
    client: world.sellerClient,
    contract,
    token,
    realm,
    secret,
    now: () => Date.now() + clock.offset,
    onError: (error) => errors.push(error),
    ledger: createMemoryLedger(),
    minDeposit: 0n,
    maxRelaysPerHour: 1_000,
    ...options.gateway,
  });
  const worked: { method: string; path: string; body: string; headers: Headers }[] = [];
  const stall = {
    /** Does the work; replace it. */
    work: (async (request) => new Response(`did ${await request.text()}`)) as Work,
  };
  const work: Work = async (request, meter) => {
    const { pathname, search } = new URL(request.url);
    const body = await request.clone().text();
    worked.push({ method: request.method, path: pathname + search, body, headers: request.headers });
    return stall.work(request, meter);
  };
  const offer = options.offer ?? { price: pricePerRequest(price) };
  const server = await (options.serve ?? ((served, sold, done) => serve(served.protect(sold, done))))(
    gateway,
    offer,
    work,
  );

  const asked = new Set<Promise<unknown>>();
  const paused: (() => void)[] = [];

  async function ask(call: Call = {}): Promise<Reply> {
    const reply = send(call);
    asked.add(reply);
    try {
      return await reply;
    } finally {
      asked.delete(reply);
    }
  }

  async function send(call: Call): Promise<Reply> {
    const { method = "POST", path = "/work", headers = {} } = call;
    const hasBody = method !== "GET" && method !== "HEAD";
    const body = "body" in call ? call.body : "x";
    const response = await fetch(server.url + path, {
      method,
      headers,
      redirect: "manual",
      ...(hasBody && body !== undefined ? { body } : {}),
    });
    const receipt = response.headers.get("payment-receipt");
    const problem = await readProblem(response);
    return {
      status: response.status,
      headers: response.headers,
      text: await response.text(),
      receipt: receipt === null ? undefined : parseSessionReceipt(receipt),
      problem,
    };
  }

  let known: Challenge | undefined;
  async function challenge(call: Call = {}): Promise<Challenge> {
    const { headers } = await ask({ ...call, headers: {} });
    const [first] = parseChallenges(headers.get("www-authenticate"));
    if (!first) throw new Error("no challenge came");
    return first;
  }
  /** One challenge serves many requests. */
  async function anyChallenge(): Promise<Challenge> {
    known ??= await challenge({ body: undefined });
    return known;
  }

  async function rawCredential(payload: Json, call: Call = {}): Promise<string> {
    return formatCredential({ challenge: call.challenge ?? (await anyChallenge()), source: call.source, payload });
  }

  /** Sends a request with this JSON as the payload of its credential. */
  async function payRaw(payload: Json, call: Call = {}): Promise<Reply> {
    const authorization = await rawCredential(payload, call);
    return ask({ ...call, headers: { ...call.headers, authorization } });
  }

  /** Sends a request with this payload in its credential. */
  const pay = (payload: SessionPayload, call: Call = {}) => payRaw(formatSessionPayload(payload), call);

  /** A voucher, good unless it is made otherwise. */
  async function voucher(
    { channelId }: { channelId: Hex },
    cumulativeAmount: bigint,
    changes: { account?: PrivateKeyAccount; contract?: Address; chainId?: number; action?: "voucher" | "close" } = {},
  ) {
    const { action = "voucher", account = world.payer, ...domain } = changes;
    const signature = await signVoucher({ account, contract, chainId, channelId, cumulativeAmount, ...domain });
    return { action, channelId, cumulativeAmount, signature };
  }

  const domain = { name: "Mock Digital Yuan", version: "1", chainId, verifyingContract: token };
  const validBefore = () => BigInt(Math.floor(Date.now() / 1000)) + 600n;

  /** An authorization of the payer, good unless it is made otherwise. */
  async function authorize(
    value: bigint,
    nonce: Hex,
    changes: { account?: PrivateKeyAccount; to?: Address; validAfter?: bigint; validBefore?: bigint } = {},
  ) {
    const { account = world.payer, ...times } = changes;
    const authorization = {
      from: account.address,
      to: contract,
      value,
      validAfter: 0n,
      validBefore: validBefore(),
      nonce,
    };
    const message = { ...authorization, ...times };
    const signature = await signReceiveWithAuthorization({ account, domain, ...message });
    return { type: "authorization", authorization: message, signature } as const;
  }

  /** The payload that opens a channel by authorization, and the channel that it would open. */
  async function opening(
    options_: {
      deposit?: bigint;
      cumulativeAmount?: bigint;
      terms?: Partial<Terms>;
      account?: PrivateKeyAccount;
      signer?: PrivateKeyAccount;
    } = {},
  ) {
    const { deposit = parseYuan("1"), cumulativeAmount = 0n, account = world.payer, signer = account } = options_;
    const payee = options.gateway?.payee ?? world.seller.address;
    const terms = termsOf(world, { payer: account.address, payee, token, ...options_.terms });
    const channelId = computeChannelId({ terms, contract, chainId });
    const { signature } = await voucher({ channelId }, cumulativeAmount, { account: signer });
    const funding = await authorize(deposit, openAuthorizationNonce(terms), { account });
    const { salt, authorizedSigner } = terms;
    const payload = {
      action: "open",
      channelId,
      cumulativeAmount,
      signature,
      salt,
      authorizedSigner,
      funding,
    } as const;
    return { payload, channel: { terms, channelId } };
  }

  /** Opens a channel. */
  async function open(options_: Parameters<typeof opening>[0] = {}): Promise<Channel> {
    const { payload, channel } = await opening(options_);
    const reply = await pay(payload);
    if (reply.status !== 204) throw new Error(`not opened: ${reply.status} ${reply.text}`);
    return channel;
  }

  /** The payload that tops a channel up by authorization. */
  async function topUp({ channelId }: Channel, additionalDeposit: bigint, account = world.payer) {
    const salt = nextSalt();
    const from = account.address;
    const nonce = topUpAuthorizationNonce({ channelId, additionalDeposit, from, topUpSalt: salt });
    const funding = await authorize(additionalDeposit, nonce, { account });
    return { action: "topUp", channelId, additionalDeposit, salt, funding } as const;
  }

  return Object.assign(stall, {
    world,
    gateway,
    offer,
    contract,
    url: server.url,
    /** Lets what is paused end, then closes. */
    async close(): Promise<void> {
      for (const finish of paused) finish();
      await Promise.allSettled(asked);
      await server.close();
      await gateway.close();
    },
    /** Requests that reached the work. */
    worked,
    /** What the gateway told its owner. */
    errors,
    clock,
    ask,
    challenge,
    anyChallenge,
    credential: (payload: SessionPayload) => rawCredential(formatSessionPayload(payload)),
    pay,
    payRaw,
    voucher,
    authorize,
    opening,
    open,
    topUp,
    /** Makes the work wait until `finish` is called; `started` tells when it was reached. */
    pauseWork(text: string): { started: Promise<void>; finish: () => void } {
      let [start, finish] = [() => {}, () => {}];
      const started = new Promise<void>((resolve) => (start = resolve));
      const finished = new Promise<Response>((resolve) => (finish = () => resolve(new Response(text))));
      stall.work = () => {
        start();
        return finished;
      };
      paused.push(finish);
      return { started, finish };
    },
    /** Buys with the voucher over this amount. */
    buy: async (channel: { channelId: Hex }, cumulativeAmount: bigint, call: Call = {}): Promise<Reply> =>
      pay(await voucher(channel, cumulativeAmount), call),
    /** Asks to close with the voucher over this amount. */
    shut: async (channel: { channelId: Hex }, cumulativeAmount: bigint, call: Call = {}): Promise<Reply> =>
      pay(await voucher(channel, cumulativeAmount, { action: "close" }), { body: undefined, ...call }),
    /** What the seller's ledger says. */
    async record({ channelId }: { channelId: Hex }): Promise<ChannelRecord> {
      const record = await gateway.ledger.getChannel(channelId);
      if (!record) throw new Error("the ledger does not know this channel");
      return record;
    },
  });
}

/** A client of the world's seller whose calls to the node can be looked at, and made to fail. */
export function watchedClient(world: World) {
  const node = {
    /** Methods called so far. */
    calls: [] as string[],
    /** Replace it: throws to make a call fail. */
    before: (_method: string, _params: unknown): void | Promise<void> => undefined,
    /** Replace it: what it returns is answered in place of the node, unless it is undefined. */
    instead: (_method: string, _params: unknown): unknown => undefined,
  };
  const request = async ({ method, params }: { method: string; params?: unknown }): Promise<unknown> => {
    node.calls.push(method);
    await node.before(method, params);
    const answer = await node.instead(method, params);
    if (answer !== undefined) return answer;
    return world.sellerClient.request({ method, params } as never);
  };
  const client = createWalletClient({
    account: world.seller,
    transport: custom({ request }, { retryCount: 0 }),
    pollingInterval: 10,
  });
  return Object.assign(node, { client });
}

/** How many transactions the seller has sent. */
export async function transactionsOf(world: World): Promise<number> {
  return world.sellerClient.getTransactionCount({ address: world.seller.address });
}

/** Asks the chain's node for anything. */
export function askNode(world: World, method: string, ...params: unknown[]): Promise<unknown> {
  const request = world.sellerClient.request as (call: { method: string; params: unknown[] }) => Promise<unknown>;
  return request({ method, params });
}

/** Does something while no block is mined, then mines one. */
export async function unmined<value>(world: World, run: () => Promise<value>): Promise<value> {
  await askNode(world, "evm_setAutomine", false);
  try {
    return await run();
  } finally {
    await askNode(world, "evm_setAutomine", true);
    await askNode(world, "hardhat_mine");
  }
}

/** Asks again until it is so, at most five seconds. */
export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let look = 0; look < 500; look++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`never came true: ${what}`);
}

/** A transaction of the payer's that is mined and fails. */
export async function revertedTransaction(world: World): Promise<Hex> {
  const call = { to: world.channels.address, data: "0xdeadbeef", gas: 100_000n, chain: null } as const;
  return unmined(world, () => world.payerClient.sendTransaction(call));
}
