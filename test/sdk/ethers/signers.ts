import { AbstractSigner, BrowserProvider, FallbackProvider, NonceManager, type Signer, Wallet } from "ethers";

import type { World } from "../../server/helpers.ts";

/** The world's simulated chain as ethers sees it. */
export function providerOf(world: World): BrowserProvider {
  const request = ({ method, params }: { method: string; params?: unknown[] | object }) =>
    world.ethers.provider.send(method, params as unknown[]);
  return new BrowserProvider({ request }, 31337, { staticNetwork: true });
}

/** A key that nobody else uses. */
export const newWallet = (world: World) => new Wallet(Wallet.createRandom().privateKey, providerOf(world));

/** The kinds of signers that ethers has; each call gives the signer of another account. */
export const kinds: Record<string, (world: World) => Promise<Signer>> = {
  Wallet: async (world) => newWallet(world),
  NonceManager: async (world) => new NonceManager(newWallet(world)),
  "Wallet on a FallbackProvider": async (world) =>
    newWallet(world).connect(new FallbackProvider([providerOf(world), providerOf(world)], 31337, { quorum: 2 })),
  JsonRpcSigner: async (world) => providerOf(world).getSigner(++unlocked % 20),
};
let unlocked = 0;

/** A signer whose signatures are changed on their way, as wallets and hardware do. */
export class ChangedSigner extends AbstractSigner {
  readonly #wallet = new Wallet(`0x${"5c".repeat(32)}`);
  readonly #change: (signature: string) => string;

  constructor(change: (signature: string) => string) {
    super(null);
    this.#change = change;
  }
  getAddress = () => this.#wallet.getAddress();
  signTypedData: Signer["signTypedData"] = async (...parameters) =>
    this.#change(await this.#wallet.signTypedData(...parameters));
  connect = (): never => {
    throw new Error("not used");
  };
  signMessage = this.connect;
  signTransaction = this.connect;
}
