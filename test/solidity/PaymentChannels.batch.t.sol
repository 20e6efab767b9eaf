// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IPaymentChannels} from "../../contracts/interfaces/IPaymentChannels.sol";
import {ChannelsTest} from "./utils/ChannelsTest.sol";

contract PaymentChannelsBatchTest is ChannelsTest {
    uint256 private constant CHANNELS = 4;

    /// @notice What is left after claims were settled one by one.
    /// @param reasons For each claim the selector of its error, zero if it settled
    struct Aftermath {
        IPaymentChannels.Channel[] states;
        uint256 balance;
        uint256 credit;
        uint256 kept;
        bytes4[] reasons;
    }

    /// @dev Carries the aftermath out of a trial whose changes it undoes.
    error Settled(Aftermath aftermath);

    /// Good and bad claims mixed, some of them twice, on channels in every state. All that settle leaves, down to the
    /// reasons of refusals, a batch leaves too.
    function testFuzz_INV11_batchEqualsSingles(uint256 seed, uint256 size, bool isPayeeBlocked) public {
        _openAll(seed);
        IPaymentChannels.Claim[] memory claims = new IPaymentChannels.Claim[](bound(size, 0, 8));
        for (uint256 i = 0; i < claims.length; ++i) claims[i] = _anyClaim(derive(seed, 100 + i));
        _block(payee, isPayeeBlocked);

        Aftermath memory singly = _trySingly(claims);
        IPaymentChannels.BatchClaim[] memory batch = new IPaymentChannels.BatchClaim[](claims.length);
        for (uint256 i = 0; i < claims.length; ++i) {
            batch[i] = _batchClaimOf(claims[i]);
            vm.expectEmit();
            if (singly.reasons[i] == 0) emit IPaymentChannels.ChannelSettled(_idOf(claims[i].terms), claims[i].amount);
            else emit IPaymentChannels.ClaimSkipped(_idOf(claims[i].terms), singly.reasons[i]);
        }
        vm.prank(derive(seed, 0) % 2 == 0 ? payee : operator);
        channels.settleBatch(payee, address(blocklist), batch);

        Aftermath memory together = _look(singly.reasons);
        assertEq(abi.encode(together), abi.encode(singly), "together is another than singly");
    }

    /// One bad claim of each kind beside a good one: the good one is paid in full.
    function testFuzz_settleBatch_skipsWhatSettleRefuses(uint256 seed) public {
        _openAll(seed);
        IPaymentChannels.Terms memory terms = _terms(50);
        uint256 deposit = bound(derive(seed, 1), 1, MAX_DEPOSIT / 8);
        _open(terms, deposit);
        IPaymentChannels.BatchClaim[] memory batch = new IPaymentChannels.BatchClaim[](7);
        for (uint256 i = 0; i < batch.length; ++i) batch[i] = _batchClaimOf(_bad(derive(seed, 100 + i), i));
        uint256 place = derive(seed, 2) % batch.length;
        batch[place] = _batchClaimOf(_claimOf(terms, deposit, deposit));
        uint256 before = blocklist.balanceOf(payee);

        vm.prank(payee);
        channels.settleBatch(payee, address(blocklist), batch);
        assertEq(blocklist.balanceOf(payee) - before, deposit, "paid");
        assertEq(_channel(terms).settled, deposit, "settled");
    }

    /// The payee and token of a batch are those of every claim in it: a channel of others is not found.
    function testFuzz_INV13_settleBatch_skipsChannelsOfOthers(address otherPayee, uint256 amount, bool isToken) public {
        vm.assume(otherPayee != payee && otherPayee != address(0) && otherPayee != address(channels));
        IPaymentChannels.Terms memory terms = _terms(1);
        if (isToken) terms.token = address(token);
        else terms.payee = otherPayee;
        _open(terms, 1000);
        amount = bound(amount, 1, 1000);
        IPaymentChannels.BatchClaim[] memory batch = new IPaymentChannels.BatchClaim[](1);
        batch[0] = _batchClaimOf(_claimOf(terms, amount, 1000));

        vm.expectEmit();
        emit IPaymentChannels.ClaimSkipped(_idOf(_terms(1)), IPaymentChannels.ChannelNotFound.selector);
        vm.prank(payee);
        channels.settleBatch(payee, address(blocklist), batch);
        _assertChannel(terms, 1000, 0, 0, false);
    }

    /* MAKING CLAIMS */

    /// Four channels: untouched, settled in part, with a close pending, finalized. Amounts leave room for all to add up.
    function _openAll(uint256 seed) private {
        for (uint256 i = 0; i < CHANNELS; ++i) {
            IPaymentChannels.Terms memory terms = _terms(i);
            uint256 deposit = bound(derive(seed, i), 10, MAX_DEPOSIT / 8);
            _openSettled(terms, deposit, i == 0 ? 0 : deposit / 3);
            if (i == 2) _requestClose(terms);
            if (i == 3) {
                IPaymentChannels.Claim memory claim = _claimOf(terms, deposit / 2, deposit);
                vm.prank(payee);
                channels.close(claim);
            }
        }
    }

    function _anyClaim(uint256 seed) private view returns (IPaymentChannels.Claim memory) {
        return seed % 2 == 0 ? _good(seed) : _bad(seed, derive(seed, 0) % 7);
    }

    function _good(uint256 seed) private view returns (IPaymentChannels.Claim memory) {
        IPaymentChannels.Terms memory terms = _terms(derive(seed, 1) % (CHANNELS - 1));
        uint256 deposit = _channel(terms).deposit;
        // One in four is the whole deposit, so that later claims gain nothing.
        uint256 amount = derive(seed, 2) % 4 == 0 ? deposit : bound(derive(seed, 3), deposit / 3 + 1, deposit);
        return _claimOf(terms, amount, bound(derive(seed, 4), amount, type(uint128).max));
    }

    function _bad(uint256 seed, uint256 kind) private view returns (IPaymentChannels.Claim memory claim) {
        claim = _good(seed);
        uint256 deposit = _channel(claim.terms).deposit;
        if (kind == 0) return _claimOf(claim.terms, claim.amount, claim.amount - 1);
        if (kind == 1) return _claimOf(claim.terms, deposit + 1, type(uint128).max);
        // Nothing to gain only where a third is settled, so not on the untouched channel.
        if (kind == 2) return _claimOf(_terms(1), _channel(_terms(1)).deposit / 3, MAX_DEPOSIT);
        if (kind == 3) claim.signature = _signVoucher(payee, _idOf(claim.terms), claim.cumulativeAmount);
        if (kind == 4) claim.signature = _signVoucher(signer, _idOf(_terms(7)), claim.cumulativeAmount);
        if (kind == 5) return _claimOf(_terms(CHANNELS - 1), deposit, deposit);
        if (kind == 6) return _claimOf(_terms(CHANNELS + (seed % 100)), claim.amount, claim.amount);
    }

    /* ONE BY ONE */

    function _trySingly(IPaymentChannels.Claim[] memory claims) private returns (Aftermath memory aftermath) {
        try this.settleSingly(claims) {} catch (bytes memory reason) {
            assertTrue(bytes4(reason) == Settled.selector, "the trial failed");
            assembly ("memory-safe") {
                // What follows the selector is the aftermath.
                let size := sub(mload(reason), 4)
                reason := add(reason, 4)
                mstore(reason, size)
            }
            aftermath = abi.decode(reason, (Aftermath));
        }
    }

    function settleSingly(IPaymentChannels.Claim[] calldata claims) external {
        bytes4[] memory reasons = new bytes4[](claims.length);
        for (uint256 i = 0; i < claims.length; ++i) {
            vm.prank(payee);
            try channels.settle(claims[i]) {} catch (bytes memory reason) {
                reasons[i] = bytes4(reason);
            }
        }
        revert Settled(_look(reasons));
    }

    function _look(bytes4[] memory reasons) private view returns (Aftermath memory) {
        bytes32[] memory ids = new bytes32[](CHANNELS);
        for (uint256 i = 0; i < CHANNELS; ++i) ids[i] = _idOf(_terms(i));
        return
            Aftermath(
                channels.getChannels(ids),
                blocklist.balanceOf(payee),
                channels.credit(address(blocklist), payee),
                blocklist.balanceOf(address(channels)),
                reasons
            );
    }
}
