// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PaymentChannels} from "../../../contracts/PaymentChannels.sol";
import {IPaymentChannels} from "../../../contracts/interfaces/IPaymentChannels.sol";
import {BlocklistToken} from "../../../contracts/test/BlocklistToken.sol";
import {GasToken} from "../../../contracts/test/GasToken.sol";
import {Statements} from "../utils/Statements.sol";

/// @notice What the contract should be, kept beside it: each channel, and every account's balance and credit. It is written
/// to by what the handler is sure of, never read from the contract.
abstract contract ChannelsModel is Statements {
    /// @param entitlement The best statement that the channel's signer ever signed, presented or not
    /// @param accepted The largest amount accepted
    /// @param closeRequestedAt As the payer's own acts make it
    /// @param captureStep The last step in which somebody acted who may capture
    /// @param endStep The last step in which somebody acted who may finalize
    struct Ghost {
        IPaymentChannels.Terms terms;
        bytes32 id;
        uint256 deposit;
        uint256 entitlement;
        uint256 accepted;
        uint256 closeRequestedAt;
        bool finalized;
        uint256 paidToPayee;
        uint256 paidToPayer;
        uint256 captureStep;
        uint256 endStep;
    }

    uint64 internal constant FOREVER = 1 << 60;
    uint256 internal constant WEALTH = 1 << 120;

    GasToken public immutable token;
    BlocklistToken public immutable blocklist;

    address[] internal payers;
    address[] internal payees;
    address[] internal signers;
    address[] internal operators;
    address[] internal strangers;
    address[] internal everybody;

    uint256 public steps;
    Ghost[] private _ghosts;
    uint256[][] internal statements;
    mapping(address inToken => mapping(address account => uint256)) public balanceOf;
    mapping(address inToken => mapping(address account => uint256)) public creditOf;
    mapping(address inToken => uint256) public donated;
    mapping(address payee => mapping(address operator => bool)) internal isApproved;

    IPaymentChannels.Channel[] private _before;

    constructor() {
        vm.warp(1_700_000_000);
        channels = new PaymentChannels(GRACE_PERIOD);
        (token, blocklist) = (new GasToken(), new BlocklistToken());
        payers = [_newActor("payer 0"), _newActor("payer 1"), _newActor("payer 2")];
        // One payer sells too.
        payees = [_newActor("payee 0"), _newActor("payee 1"), payers[0]];
        signers = [_newActor("signer 0"), _newActor("signer 1")];
        operators = [_newActor("operator 0"), _newActor("operator 1")];
        strangers = [_newActor("stranger 0"), _newActor("stranger 1")];
    }

    function _newActor(string memory name) private returns (address account) {
        account = _newParty(name);
        everybody.push(account);
        for (uint256 i = 0; i < 2; ++i) {
            GasToken inToken = i == 0 ? token : GasToken(blocklist);
            inToken.mint(account, WEALTH);
            balanceOf[address(inToken)][account] = WEALTH;
            vm.prank(account);
            inToken.approve(address(channels), type(uint256).max);
        }
    }

    /* WHAT THE INVARIANTS LOOK AT */

    function contractUnderTest() external view returns (IPaymentChannels) {
        return channels;
    }

    function channelCount() public view returns (uint256) {
        return _ghosts.length;
    }

    function ghosts() external view returns (Ghost[] memory) {
        return _ghosts;
    }

    /// @return What the contract stored of each channel when the last step began
    function statesBefore() external view returns (IPaymentChannels.Channel[] memory) {
        return _before;
    }

    function accounts() external view returns (address[] memory) {
        return everybody;
    }

    /// @return The best claim that the payee of a channel could make
    function bestClaim(uint256 index) public view returns (IPaymentChannels.Claim memory) {
        Ghost storage ghost = _ghosts[index];
        uint256 amount = ghost.entitlement < ghost.deposit ? ghost.entitlement : ghost.deposit;
        return _claimOf(ghost.terms, amount, ghost.entitlement);
    }

    /// @return Whom a token will not let pay or be paid here: the contract, else the account; zero if all is well
    function blockedAmong(address inToken, address first, address second) public view returns (address) {
        if (inToken != address(blocklist)) return address(0);
        if (blocklist.isBlocked(first)) return first;
        return blocklist.isBlocked(second) ? second : address(0);
    }

    /* WHAT HAPPENED */

    function _beginStep() internal {
        ++steps;
        for (uint256 i = 0; i < _ghosts.length; ++i) _before[i] = channels.getChannel(_ghosts[i].id);
    }

    function _ghost(uint256 index) internal view returns (Ghost storage) {
        return _ghosts[index];
    }

    function _recordOpening(IPaymentChannels.Terms memory terms, uint256 deposit) internal {
        Ghost storage ghost = _ghosts.push();
        (ghost.terms, ghost.id, ghost.deposit) = (terms, _idOf(terms), deposit);
        balanceOf[terms.token][terms.payer] -= deposit;
        statements.push();
        _before.push();
    }

    function _recordTopUp(uint256 index, address from, uint256 amount) internal {
        Ghost storage ghost = _ghosts[index];
        ghost.deposit += amount;
        balanceOf[ghost.terms.token][from] -= amount;
    }

    function _recordStatement(uint256 index, uint256 cumulativeAmount) internal {
        statements[index].push(cumulativeAmount);
        Ghost storage ghost = _ghosts[index];
        if (cumulativeAmount > ghost.entitlement) ghost.entitlement = cumulativeAmount;
    }

    /// @dev Without the payout: a batch pays the sum of its captures.
    function _recordCapture(uint256 index, uint256 amount) internal returns (uint256 growth) {
        Ghost storage ghost = _ghosts[index];
        growth = amount - ghost.accepted;
        ghost.accepted = amount;
        ghost.paidToPayee += growth;
    }

    function _recordEnd(uint256 index) internal {
        Ghost storage ghost = _ghosts[index];
        ghost.finalized = true;
        ghost.paidToPayer = ghost.deposit - ghost.accepted;
        _recordPayout(ghost.terms.token, ghost.terms.payer, ghost.paidToPayer);
    }

    function _recordPayout(address inToken, address account, uint256 amount) internal {
        if (blockedAmong(inToken, address(channels), account) == address(0)) balanceOf[inToken][account] += amount;
        else creditOf[inToken][account] += amount;
    }
}
