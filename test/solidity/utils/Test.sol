// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice The cheatcodes that the tests use, by their names in Foundry; Hardhat and forge both know them.
interface Vm {
    function addr(uint256 privateKey) external pure returns (address);
    function assume(bool condition) external pure;
    function chainId(uint256 newChainId) external;
    function etch(address target, bytes calldata code) external;
    function expectEmit() external;
    function expectRevert(bytes calldata revertData) external;
    function getBlockTimestamp() external view returns (uint256 timestamp);
    function prank(address sender) external;
    function sign(uint256 privateKey, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function unixTime() external view returns (uint256 milliseconds);
    function warp(uint256 timestamp) external;
}

/// @notice The little of forge-std that is needed; it is not published as a package.
abstract contract Test {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    error NotEqual(string what, uint256 left, uint256 right);
    error NotTrue(string what);
    error OtherBytes(string what, bytes left, bytes right);

    function assertEq(uint256 left, uint256 right, string memory what) internal pure {
        if (left != right) revert NotEqual(what, left, right);
    }

    function assertEq(bytes memory left, bytes memory right, string memory what) internal pure {
        if (keccak256(left) != keccak256(right)) revert OtherBytes(what, left, right);
    }

    function assertTrue(bool condition, string memory what) internal pure {
        if (!condition) revert NotTrue(what);
    }

    /// @notice Maps a fuzzed value into a range, both ends included.
    function bound(uint256 value, uint256 least, uint256 most) internal pure returns (uint256) {
        if (value >= least && value <= most) return value;
        uint256 size = most - least + 1;
        return size == 0 ? value : least + (value % size);
    }

    /// @notice The compiler may take `block.timestamp` for constant within a function; this it cannot.
    function currentTime() internal view returns (uint256) {
        return vm.getBlockTimestamp();
    }

    /// @notice Lets time pass.
    function skip(uint256 period) internal {
        vm.warp(currentTime() + period);
    }

    /// @notice For tests of very many steps: Hardhat replays a test that failed for its stack trace, and such a trace would
    /// not fit into memory. It replays none that asked for the real time.
    function preventReplay() internal view {
        vm.unixTime();
    }

    /// @notice A new random number out of one.
    function derive(uint256 seed, uint256 index) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, index)));
    }
}
