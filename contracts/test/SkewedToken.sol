// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PlainToken} from "./PlainToken.sol";

/// @title A token that moves another amount than asked: a fee on transfer, a bonus, or worse
contract SkewedToken is PlainToken {
    /// @notice What a receiver gets above the amount sent, in base units; may be negative.
    int256 public skew;

    /// @param newSkew Base units
    function setSkew(int256 newSkew) external {
        skew = newSkew;
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from == address(0) || to == address(0)) return;
        if (skew > 0) super._update(address(0), to, uint256(skew));
        if (skew < 0) super._update(to, address(0), uint256(-skew));
    }
}
