/** Whether a chain's id is one that development nodes have: such a chain is made for a while, by one machine. */
export function isLocalChain(chainId: number): boolean {
  return chainId === 1337 || chainId === 31337;
}
