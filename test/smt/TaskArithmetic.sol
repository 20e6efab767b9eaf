// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice One step of one task, as ChannelArithmetic is one of a channel. `paid` is what the provider got so far.
contract TaskArithmetic {
    // functions of contracts/TaskEscrow.sol: _growth

    /// By the client with any total, or by evidence with what is due.
    function release(uint104 funded, uint104 released, uint256 paid, uint256 total) external pure {
        require(released < funded && paid == released);
        uint256 growth = _growth(total, released, funded);
        assert(total > released && total <= funded); // INV16: and so it fits where it is stored
        assert(paid + growth == total); // INV16
        // A task that is closed by its release has nothing left to refund.
        assert((total == funded) == (paid + growth == funded)); // INV16
    }

    function refund(uint104 funded, uint104 released, uint256 paid) external pure {
        require(released < funded && paid == released);
        uint256 refunded = funded - released;
        assert(refunded != 0 && paid + refunded == funded); // INV16
    }
}
