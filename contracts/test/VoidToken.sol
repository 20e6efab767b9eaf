// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title A token whose calls return nothing, as USDT's do
contract VoidToken {
    /// @notice Base units of an account.
    mapping(address account => uint256) public balanceOf;

    /// @notice Base units that `spender` may move for `owner`.
    mapping(address owner => mapping(address spender => uint256)) public allowance;

    /// @param to Who gets it
    /// @param amount Base units
    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    /// @param spender Who may move them
    /// @param amount Base units
    function approve(address spender, uint256 amount) external {
        allowance[msg.sender][spender] = amount;
    }

    /// @param to Who gets it
    /// @param amount Base units
    function transfer(address to, uint256 amount) external {
        _move(msg.sender, to, amount);
    }

    /// @param from Who pays
    /// @param to Who gets it
    /// @param amount Base units
    function transferFrom(address from, address to, uint256 amount) external {
        allowance[from][msg.sender] -= amount;
        _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}
