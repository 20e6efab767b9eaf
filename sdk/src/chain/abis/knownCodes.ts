// Made by `npm run generate` from the compiler's artifacts. Do not edit.

/** Code of our contracts on any chain: its hash with the immutable values zeroed. */
export const knownCodes = [
  {
    contract: "PaymentChannels",
    size: 12246,
    hash: "0xce71a3b9d5b6506c2a474e81a991d356f38a943b391f49c7c1c68514167256f7",
    immutables: [{"start":732,"length":32},{"start":3182,"length":32},{"start":5017,"length":32},{"start":5279,"length":32},{"start":5345,"length":32},{"start":5388,"length":32},{"start":7457,"length":32},{"start":7499,"length":32},{"start":7541,"length":32},{"start":7622,"length":32},{"start":7662,"length":32}],
  },
  {
    contract: "MockDigitalYuan",
    size: 9535,
    hash: "0x288ddcb372dce5c259874c7d0eea02ec7b366d1efb4e5d8525888d2b676b8265",
    immutables: [{"start":4027,"length":32},{"start":4069,"length":32},{"start":4111,"length":32},{"start":4192,"length":32},{"start":4232,"length":32},{"start":4319,"length":32},{"start":4666,"length":32}],
  },
] as const;
