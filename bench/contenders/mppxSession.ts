import { Challenge, Credential } from "mppx";
import { Mppx, Store, tempo } from "mppx/server";
import { Session } from "mppx/tempo";
import { createFastAccount } from "subfen/server";
import { type Address, createClient, custom, encodeFunctionResult, type Hex, zeroAddress } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { answer, chainId, type Contender, deposit, price } from "../contender.ts";
import { buyerKey, keyOf, saltOf, seller } from "../keys.ts";

const { Channel, Constants, escrowAbi, Voucher } = Session.Precompile;
const escrow = Constants.tip20ChannelEscrow;
const currency: Address = "0x20c0000000000000000000000000000000000000";

function channelOf(index: number) {
  const payer = privateKeyToAccount(buyerKey(index)).address;
  const descriptor = {
    payer,
    payee: seller.address,
    operator: zeroAddress,
    token: currency,
    salt: saltOf(index),
    authorizedSigner: payer,
    expiringNonceHash: keyOf(`nonce ${index}`),
  };
  return { descriptor, channelId: Channel.computeId({ ...descriptor, chainId, escrow }) };
}

/** Opened already: a Tempo chain is not at hand, and opening is not what is measured. */
function openState(index: number) {
  const { descriptor, channelId } = channelOf(index);
  const { expiringNonceHash, operator, payee, payer, salt, authorizedSigner } = descriptor;
  return {
    backend: "precompile",
    descriptor,
    expiringNonceHash,
    operator,
    payee,
    payer,
    salt,
    authorizedSigner,
    token: currency,
    chainId,
    channelId,
    escrowContract: escrow,
    closeRequestedAt: 0n,
    deposit,
    settledOnChain: 0n,
    highestVoucherAmount: 0n,
    highestVoucher: null,
    spent: 0n,
    units: 0,
    finalized: false,
    createdAt: new Date().toISOString(),
  };
}

/** A node that knows one thing: the channel is open. */
const node = createClient({
  transport: custom({
    request: async ({ method }: { method: string }): Promise<unknown> => {
      if (method !== "eth_call") throw new Error(`the bench's node does not know ${method}`);
      const result = { settled: 0n, deposit, closeRequestedAt: 0 };
      return encodeFunctionResult({ abi: escrowAbi, functionName: "getChannelState", result });
    },
  }),
});

export const mppxSession: Contender = {
  name: "mppx tempo.session",
  books: "memory",

  async serve(buyers) {
    const store = Store.memory();
    for (let index = 0; index < buyers; index++) await store.put(channelOf(index).channelId, openState(index) as never);
    const mppx = Mppx.create({
      methods: [tempo.session({ account: seller, chainId, currency, decimals: 6, getClient: () => node, store })],
      realm: "bench",
      secretKey: "0123456789abcdef0123456789abcdef",
    });
    const charge = Mppx.toNodeListener(
      mppx.session({ amount: "0.0012", recipient: seller.address, unitType: "request" }),
    );
    return {
      async listener(request, response) {
        const result = await charge(request, response);
        if (result.status === 402) return;
        response.setHeader("content-type", "application/json");
        response.end(answer);
      },
      async earned() {
        let sum = 0n;
        for (let index = 0; index < buyers; index++) {
          const state = (await store.get(channelOf(index).channelId)) as { spent: bigint } | null;
          sum += state?.spent ?? 0n;
        }
        return sum;
      },
    };
  },

  async buyer(index, response) {
    const challenge = Challenge.fromResponse(response);
    const account = await createFastAccount({ privateKey: buyerKey(index) });
    const { descriptor, channelId } = channelOf(index);
    const source = `did:pkh:eip155:${chainId}:${account.address}`;
    let cumulativeAmount = 0n;
    return async () => {
      cumulativeAmount += price;
      const signature: Hex = await account.signTypedData({
        domain: Voucher.getVoucherDomain(escrow, chainId),
        types: Voucher.voucherTypes,
        primaryType: "Voucher",
        message: { channelId, cumulativeAmount },
      });
      const amount = String(cumulativeAmount);
      const payload = { action: "voucher", channelId, descriptor, cumulativeAmount: amount, signature };
      return ["authorization", Credential.serialize({ challenge, payload, source } as never)];
    };
  },
};
