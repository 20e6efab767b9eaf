// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice One step of one channel, from any state in which the invariants hold: they hold after it. `npm run prove` puts the
/// contract's own functions in; signatures, callers and payouts are no matter of arithmetic and left out.
/// `paid` is what the payee got so far, `best` the best entitlement that was ever shown.
contract ChannelArithmetic {
    // functions of contracts/PaymentChannels.sol: _deposit, _growth

    function open(uint128 deposit) external pure {
        uint256 recorded = _deposit(0, deposit);
        assert(recorded == deposit && recorded <= type(uint104).max); // INV2
        assert(recorded != 0); // INV3: an id in use is never all zeros
    }

    function topUp(uint104 deposit, uint128 added) external pure {
        uint256 grown = _deposit(deposit, added);
        assert(grown == uint256(deposit) + added && grown > deposit && grown <= type(uint104).max); // INV2
    }

    function settle(
        uint104 deposit,
        uint104 settled,
        uint256 paid,
        uint256 best,
        uint128 amount,
        uint256 entitlement
    ) external pure {
        require(settled <= deposit && paid == settled && settled <= best);
        if (entitlement > best) best = entitlement;
        uint256 growth = _growth(amount, entitlement, settled, deposit);
        assert(amount > settled && amount <= deposit); // INV2: and so it fits where it is stored
        assert(paid + growth == amount); // INV4
        assert(amount <= best); // INV5
    }

    /// Closing and withdrawing: a settlement or none, and then a refund of what is left.
    function refund(uint104 deposit, uint104 settled, uint256 paid) external pure {
        require(settled <= deposit && paid == settled);
        uint256 refunded = deposit - settled;
        assert(paid + refunded == deposit); // INV4
    }

    /// One payment more in the sum of `_conditionalEntitlement`, cut to its amount as by `Conditions.amountDue`: it never
    /// lowers the sum, adds at most its amount, and 256 of them do not overflow.
    function add(uint256 sum, uint8 count, uint256 worst, uint128 most, uint256 said) external pure {
        require(sum <= worst && worst <= (uint256(count) + 1) * type(uint128).max);
        uint256 due = said > most ? most : said;
        assert(sum + due >= sum && sum + due <= worst + most); // INV5, INV6
        assert(worst + most <= (uint256(count) + 2) * type(uint128).max); // INV5
    }
}
