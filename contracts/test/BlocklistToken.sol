// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {GasToken} from "./GasToken.sol";

/// @notice A token that refuses transfers to and from blocked accounts, as regulated ones do.
contract BlocklistToken is GasToken {
    mapping(address account => bool) public isBlocked;

    error Blocked(address account);

    function setBlocked(address account, bool blocked) external {
        isBlocked[account] = blocked;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (isBlocked[from]) revert Blocked(from);
        if (isBlocked[to]) revert Blocked(to);
        super._update(from, to, value);
    }
}
