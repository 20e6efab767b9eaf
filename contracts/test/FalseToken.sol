// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PlainToken} from "./PlainToken.sol";

/// @title A token that answers false, and moves nothing, instead of reverting
contract FalseToken is PlainToken {
    /// @notice True while it refuses.
    bool public refusing = true;

    /// @param isRefusing True to refuse
    function setRefusing(bool isRefusing) external {
        refusing = isRefusing;
    }

    /// @inheritdoc PlainToken
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256,
        uint256,
        bytes32,
        bytes calldata
    ) external override {
        if (!refusing) _update(from, to, value);
    }

    /// @param to Who gets it
    /// @param value Base units
    /// @return False while it refuses
    function transfer(address to, uint256 value) public override returns (bool) {
        return !refusing && super.transfer(to, value);
    }

    /// @param from Who pays
    /// @param to Who gets it
    /// @param value Base units
    /// @return False while it refuses
    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        return !refusing && super.transferFrom(from, to, value);
    }
}
