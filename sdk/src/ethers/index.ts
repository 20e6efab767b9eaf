export { accountFromEthers, SignerFailedError } from "./account.ts";
export { clientFromEthers, NoProviderError } from "./client.ts";
export { UnsupportedByEthersError } from "./rpcError.ts";
