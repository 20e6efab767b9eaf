// Made by `npm run generate` from the compiler's artifacts. Do not edit.

/** Code of our contracts on any chain: its hash with the immutable values zeroed. */
export const defaultCodes = [
  {
    contract: "PaymentChannels",
    size: 11802,
    hash: "0x236c9e7cfc648ba50d6177e18a3b7195889503a1b21947c0102c1ca82583231a",
    immutables: [{"start":732,"length":32},{"start":3195,"length":32},{"start":5054,"length":32},{"start":5316,"length":32},{"start":5382,"length":32},{"start":5425,"length":32},{"start":6166,"length":32},{"start":6208,"length":32},{"start":6250,"length":32},{"start":6331,"length":32},{"start":6371,"length":32}],
  },
  {
    contract: "MockDigitalYuan",
    size: 9515,
    hash: "0x8e26621e45cc41c0aa93b74267f2bce480e7f3b20841f66bf6855b7c57c998ef",
    immutables: [{"start":4027,"length":32},{"start":4069,"length":32},{"start":4111,"length":32},{"start":4192,"length":32},{"start":4232,"length":32},{"start":4319,"length":32},{"start":4666,"length":32}],
  },
] as const;
