// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PlainToken} from "./PlainToken.sol";

/// @title A token whose transfer fails with a megabyte of reasons, at the cost of whoever copies them
contract BombToken is PlainToken {
    /// @param to Who would get it
    /// @param value Base units
    /// @return Never
    function transfer(address to, uint256 value) public override returns (bool) {
        super.transfer(to, value);
        assembly ("memory-safe") {
            revert(0, 1000000)
        }
    }
}
