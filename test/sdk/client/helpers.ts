import { type BuyerStore, type Payment, parseYuan, payingFetch, type PayingFetch } from "../../../sdk/src/index.ts";
import {
  createGateway,
  createMemoryLedger,
  type Gateway,
  type Price,
  pricePerRequest,
  type Work,
} from "../../../sdk/src/server/index.ts";
import { createWorld, serve, type World } from "../../server/helpers.ts";

/** What every call costs unless a test says otherwise: an eighth of a fen and less. */
export const price = parseYuan("0.0012");

type Handler = (request: Request) => Promise<Response>;

/** A buyer and a seller over real HTTP; a test may put itself between them and change what the seller does. */
export type Shop = Awaited<ReturnType<typeof openShop>>;

/**
 * Opens a shop.
 *
 * @param options - Limits, price, deposit, and the world to play in.
 * @returns The shop; `close` it.
 */
export async function openShop(
  options: {
    world?: World;
    price?: Price;
    /** Whether work may be paid conditionally. */
    conditional?: boolean;
    suggestedDeposit?: bigint;
    gateway?: Partial<createGateway.Parameters>;
    client?: Partial<payingFetch.Parameters>;
  } = {},
) {
  const world = options.world ?? (await createWorld());
  const gateway: Gateway = await createGateway({
    client: world.sellerClient,
    contract: world.channels.address,
    token: world.token.address,
    realm: "test",
    secret: "0123456789abcdef",
    suggestedDeposit: options.suggestedDeposit ?? parseYuan("1"),
    ledger: createMemoryLedger(),
    minDeposit: 0n,
    ...options.gateway,
  });
  const seen: { authorization: string | null; key: string | null; method: string; path: string }[] = [];
  const worked: string[] = [];
  const shop = {
    /** Does the work; replace it. */
    work: (async (request) => new Response(`hello ${await request.text()}`)) as Work,
    /** Stands between the buyer and the gateway; replace it. */
    between: ((request, next) => next(request)) as (request: Request, next: Handler) => Promise<Response>,
  };
  const offer = { price: options.price ?? pricePerRequest(price), conditional: options.conditional };
  const sell = gateway.protect(offer, async (request, meter) => {
    const body = await request.clone().text();
    worked.push(body);
    return shop.work(request, meter);
  });
  const server = await serve((request) => {
    const { pathname } = new URL(request.url);
    seen.push({
      authorization: request.headers.get("authorization"),
      key: request.headers.get("idempotency-key"),
      method: request.method,
      path: pathname,
    });
    return shop.between(request, sell);
  });
  const payments: Payment[] = [];
  const signed: string[] = [];
  const account = {
    ...world.payer,
    sign: (parameters: { hash: `0x${string}` }) => {
      signed.push(parameters.hash);
      return world.payer.sign(parameters);
    },
  };
  const paying: PayingFetch = payingFetch({
    account,
    client: world.payerClient,
    maxDeposit: parseYuan("5"),
    maxPrice: parseYuan("0.01"),
    onPayment: (payment) => payments.push(payment),
    ...options.client,
  });
  return Object.assign(shop, {
    world,
    gateway,
    paying,
    payments,
    /** Digests the buyer signed. */
    signed,
    /** Requests that reached the server. */
    seen,
    /** Bodies that reached the work. */
    worked,
    url: server.url,
    close: server.close,
    post: (body: string, init: RequestInit = {}) => paying(`${server.url}/hello`, { method: "POST", body, ...init }),
  });
}

/** An answer that never arrives: the body breaks off, which the client sees as a network error. */
export function brokenAnswer(): Response {
  return new Response(
    new ReadableStream({
      start: (controller) => controller.error(new Error("cut")),
    }),
  );
}

/** An answer whose headers and first bytes arrive, and no more. */
export function cutHalfWay({ headers }: Response): Response {
  const stream = new ReadableStream({
    async start(controller) {
      controller.enqueue(new TextEncoder().encode("hel"));
      await new Promise((resolve) => setTimeout(resolve, 50));
      controller.error(new Error("cut"));
    },
  });
  return new Response(stream, { headers });
}

/** Catches what a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  try {
    await promise;
  } catch (error) {
    return error as Error & Record<string, unknown>;
  }
  throw new Error("expected a rejection");
}

/** A store in memory, from which a test takes the text, and which it makes slow or fail by `onSave`. */
export function memoryStore(kept?: string) {
  let running: Promise<void> = Promise.resolve();
  const store = {
    text: kept,
    onSave: undefined as ((text: string) => Promise<void>) | undefined,
    /** Waits for what is being saved. */
    settled: () => running,
    take: () => store.text,
    save(text: string) {
      running = (async () => {
        await store.onSave?.(text);
        store.text = text;
      })();
      return running;
    },
    close: async () => undefined,
  };
  return store satisfies BuyerStore;
}

/** Waits for something that comes about by itself, half a minute at most. */
export async function until(isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 6000 && !isSo(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  if (!isSo()) throw new Error("it did not come about");
}

/** Moves the chain's clock past the end of every authorization signed by now, by whichever clock is ahead. */
export async function expireAuthorizations({ networkHelpers }: World): Promise<void> {
  const latest = await networkHelpers.time.latest();
  await networkHelpers.time.increaseTo(Math.max(latest, Math.floor(Date.now() / 1000)) + 700);
}
