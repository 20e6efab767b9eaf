import { type Address, type Hex, keccak256, stringToHex } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";

import {
  computePaymentId,
  createTickChain,
  parseYuan,
  signConditionalVoucher,
  ticks as ticksOf,
} from "../../sdk/src/index.ts";
import type { SessionPayload, WirePayment } from "../../sdk/src/wire/index.ts";
import { createWorld, type World } from "./helpers.ts";
import { type Channel, openStall, price, type Stall } from "./stall.ts";

export const deposit = parseYuan("1");
/** Half of what a request costs, so that each takes two ticks unless a test says otherwise. */
export const tickAmount = price / 2n;

export type Conditions = Awaited<ReturnType<typeof createConditionalWorld>>["conditions"];

/** A world with the condition contracts. */
export async function createConditionalWorld() {
  const world = await createWorld();
  const deploy = async (name: string) => (await (await world.ethers.deployContract(name)).getAddress()) as Address;
  const conditions = {
    ticks: await deploy("TickCondition"),
    hashlock: await deploy("HashlockCondition"),
    attestation: await deploy("AttestationCondition"),
  };
  return { world, conditions };
}

/** Another 32 bytes each time. */
let refs = 0;
export const nextRef = (): Hex => keccak256(stringToHex(`ref ${refs++}`));

export const byRef = (one: { ref: Hex }, other: { ref: Hex }): number => (one.ref < other.ref ? -1 : 1);

/** A `voucher` payload over a conditional statement, good unless it is made otherwise. */
export async function conditionalVoucher(
  stall: Stall,
  { channelId }: { channelId: Hex },
  cumulativeAmount: bigint,
  payments: readonly WirePayment[],
  changes: { account?: PrivateKeyAccount; ref?: Hex; evidence?: { ref: Hex; evidence: Hex }[] } = {},
) {
  const { account = stall.world.payer, ...rest } = changes;
  const sorted = payments.toSorted(byRef);
  const { contract } = stall;
  const signed = sorted.map((one) => ({ ...one, parametersHash: keccak256(one.parameters) }));
  const { chainId } = stall.world;
  const voucher = { contract, chainId, channelId, cumulativeAmount, payments: signed };
  const signature = await signConditionalVoucher({ account, ...voucher });
  const payload: SessionPayload = {
    action: "voucher",
    channelId,
    cumulativeAmount,
    signature,
    payments: sorted,
    ...rest,
  };
  return payload;
}

/** A payment of ticks on a channel, and the payloads that show them. */
export function tickPayment(
  { channelId }: { channelId: Hex },
  condition: Address,
  options: { tickCount?: number; amount?: bigint; ref?: Hex; tickAmount?: bigint } = {},
) {
  const { tickCount = 400, ref = nextRef(), tickAmount: worth = tickAmount } = options;
  const { amount = BigInt(tickCount) * worth } = options;
  const chain = createTickChain({ paymentId: computePaymentId({ channelId, ref }), tickCount });
  const { parameters } = ticksOf({ condition, root: chain.root, tickAmount: worth, tickCount });
  return {
    ref,
    chain,
    payment: { ref, condition, parameters, amount } satisfies WirePayment,
    tick: (n: number) => ({ action: "tick", channelId, ref, ...chain.tick(n) }) as const,
  };
}

export type TickPayment = ReturnType<typeof tickPayment>;

/** A stall that takes ticks. */
export const openTickStall = (
  world: World,
  condition: Address,
  options: Parameters<typeof openStall>[1] & { window?: number } = {},
) => {
  const { window = 8, gateway, ...rest } = options;
  return openStall(world, { ...rest, gateway: { ticks: { condition, window }, ...gateway } });
};

/** A channel whose payer may pay by ticks. */
export async function startTicks(
  stall: Stall,
  condition: Address,
  options: Parameters<typeof tickPayment>[2] = {},
): Promise<{ channel: Channel; ticks: TickPayment }> {
  const channel = await stall.open({ deposit });
  const ticks = tickPayment(channel, condition, options);
  const reply = await stall.pay(await conditionalVoucher(stall, channel, 1n, [ticks.payment]), { method: "HEAD" });
  if (reply.status !== 204) throw new Error(`not accepted: ${reply.status} ${reply.text}`);
  return { channel, ticks };
}
