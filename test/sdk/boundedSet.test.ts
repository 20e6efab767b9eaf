import { expect } from "chai";

import { boundedSet } from "../../sdk/src/boundedSet.ts";

describe("boundedSet", () => {
  it("remembers so many, the newest", () => {
    const set = boundedSet(3);
    for (const value of ["a", "b", "c", "c", "b"]) set.add(value);
    expect(["a", "b", "c"].map((value) => set.has(value))).to.deep.equal([true, true, true]);
    set.add("d");
    expect(["a", "b", "c", "d"].map((value) => set.has(value))).to.deep.equal([false, true, true, true]);
  });
});
