// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PlainToken} from "./PlainToken.sol";

/// @title A token whose transfer takes a chosen amount of gas
contract HungryToken is PlainToken {
    /// @notice Words of memory that a transfer takes. Their gas, 3 a word and a 512th of their square, takes no time, and
    /// is taken by the transfer itself, not by a call of it that would be spared a 64th.
    uint256 public appetite;

    /// @param words Words of memory
    function setAppetite(uint256 words) external {
        appetite = words;
    }

    /// @param to Who gets it
    /// @param value Base units
    /// @return True
    function transfer(address to, uint256 value) public override returns (bool) {
        uint256 size = appetite * 32;
        assembly ("memory-safe") {
            // Never so; but a load alone would be optimised away.
            if mload(size) {
                invalid()
            }
        }
        return super.transfer(to, value);
    }
}
