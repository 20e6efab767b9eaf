// Made by `npm run generate` from the compiler's artifacts. Do not edit.

/** Code of our contracts on any chain: its hash with the immutable values zeroed. */
export const productionCodes = [
  {
    contract: "PaymentChannels",
    size: 16798,
    hash: "0x5920046fc6dc233fe511fba987818db676e40bdaafbe3ebc68e5cd5eaf515167",
    immutables: [{"start":711,"length":32},{"start":3496,"length":32},{"start":3867,"length":32},{"start":3908,"length":32},{"start":9452,"length":32},{"start":9511,"length":32},{"start":12880,"length":32},{"start":12927,"length":32},{"start":13006,"length":32},{"start":13044,"length":32},{"start":13116,"length":32}],
  },
  {
    contract: "TaskEscrow",
    size: 10322,
    hash: "0xb4b128d361451d70d3bee54f2d087b84f9d13a4435880e76ad42c4540a9e0dc0",
    immutables: [{"start":3395,"length":32},{"start":3437,"length":32},{"start":9477,"length":32},{"start":9524,"length":32},{"start":9603,"length":32},{"start":9641,"length":32},{"start":9713,"length":32}],
  },
  {
    contract: "HashlockCondition",
    size: 464,
    hash: "0x07e4069ef562194f0c18adb30b2e85fc56ec8b595948a84540f37f11cd988ab1",
    immutables: [],
  },
  {
    contract: "AttestationCondition",
    size: 2741,
    hash: "0x5c45061e782941a003216bb31921898d19393640abea5f204a2353cd30813579",
    immutables: [],
  },
  {
    contract: "TickCondition",
    size: 811,
    hash: "0xdb84983536956f0650f88a1613ba2f6195b84b423dc5f878c6b43011e0e5d33a",
    immutables: [],
  },
  {
    contract: "KthCondition",
    size: 2068,
    hash: "0xb82c8892921a7fd2de2f5a3fad75b0c7a3cffd76670d2946fb5385306d564f72",
    immutables: [],
  },
  {
    contract: "ReviewCondition",
    size: 2872,
    hash: "0xdac2ef50eae128ff928debd87761aefaa59803458f17f112b2911bd98f6cf4db",
    immutables: [],
  },
  {
    contract: "MockDigitalYuan",
    size: 11433,
    hash: "0xd5d07428b040277ca7da8649f90195b9b31ee2b41e9c80437a732f42cd2b30c0",
    immutables: [{"start":4655,"length":32},{"start":4696,"length":32},{"start":5870,"length":32},{"start":7912,"length":32},{"start":7959,"length":32},{"start":8038,"length":32},{"start":8076,"length":32},{"start":8148,"length":32}],
  },
] as const;
