// Made by `npm run generate` from the compiler's artifacts. Do not edit.

export const conditionAbi = [
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "",
        "type": "bytes32"
      },
      {
        "internalType": "uint128",
        "name": "amount",
        "type": "uint128"
      },
      {
        "internalType": "bytes",
        "name": "parameters",
        "type": "bytes"
      },
      {
        "internalType": "bytes",
        "name": "evidence",
        "type": "bytes"
      }
    ],
    "name": "amountDue",
    "outputs": [
      {
        "internalType": "uint128",
        "name": "due",
        "type": "uint128"
      }
    ],
    "stateMutability": "pure",
    "type": "function"
  }
] as const;
