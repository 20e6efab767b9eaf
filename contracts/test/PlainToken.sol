// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A token without limits that anybody can mint and burn, and which the tokens with faults build on
contract PlainToken is ERC20 {
    constructor() ERC20("Plain", "PLAIN") {}

    /// @param to Who gets it
    /// @param amount Base units
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @notice Takes tokens away without a transfer, as a rebase does.
    /// @param from Who loses it
    /// @param amount Base units
    function burn(address from, uint256 amount) external {
        _burn(from, amount);
    }

    /// @notice EIP-3009 in name only: no signature, time or nonce is looked at.
    /// @param from Who pays
    /// @param to Who gets it
    /// @param value Base units
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256,
        uint256,
        bytes32,
        bytes calldata
    ) external virtual {
        _update(from, to, value);
    }
}
