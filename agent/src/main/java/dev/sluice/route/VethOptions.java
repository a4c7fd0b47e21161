package dev.sluice.route;

import dev.sluice.net.MacAddress;
import dev.sluice.netlink.NetworkNamespace;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What a new veth pair is like: two links that are each other's wire.
 *
 * <p>Made by {@link #of}, then adjusted: {@code VethOptions.of("wire", "eth0").withMtu(1400)}.
 *
 * @param name of the end in the namespace of the {@link Rtnetlink} that makes it
 * @param peerName of the other end
 * @param peerNamespace where the other end comes to be; the same namespace if empty
 * @param mtuBytes of both ends; the kernel's default (1500) if empty
 * @param masterIndex the bridge that the near end is a port of from the start
 * @param peerMac the hardware address of the other end; the kernel makes one up if empty
 * @param up whether the near end is switched on
 * @param peerUp whether the other end is switched on. The kernel does so only for a pair that is
 *     complete, and only asked from within the namespace: this takes a request, and for another
 *     namespace a socket, more. Who opens an {@link Rtnetlink} there anyway does it there
 */
public record VethOptions(
    String name,
    String peerName,
    Optional<NetworkNamespace> peerNamespace,
    OptionalInt mtuBytes,
    OptionalInt masterIndex,
    Optional<MacAddress> peerMac,
    boolean up,
    boolean peerUp) {

  /** Both ends here, both down, the rest left to the kernel. */
  public static VethOptions of(String name, String peerName) {
    return new VethOptions(
        name,
        peerName,
        Optional.empty(),
        OptionalInt.empty(),
        OptionalInt.empty(),
        Optional.empty(),
        false,
        false);
  }

  public VethOptions withPeerNamespace(NetworkNamespace namespace) {
    return new VethOptions(
        name, peerName, Optional.of(namespace), mtuBytes, masterIndex, peerMac, up, peerUp);
  }

  public VethOptions withMtu(int bytes) {
    return new VethOptions(
        name, peerName, peerNamespace, OptionalInt.of(bytes), masterIndex, peerMac, up, peerUp);
  }

  public VethOptions withMaster(int index) {
    return new VethOptions(
        name, peerName, peerNamespace, mtuBytes, OptionalInt.of(index), peerMac, up, peerUp);
  }

  public VethOptions withPeerMac(MacAddress address) {
    return new VethOptions(
        name, peerName, peerNamespace, mtuBytes, masterIndex, Optional.of(address), up, peerUp);
  }

  public VethOptions withUp() {
    return new VethOptions(
        name, peerName, peerNamespace, mtuBytes, masterIndex, peerMac, true, peerUp);
  }

  public VethOptions withPeerUp() {
    return new VethOptions(name, peerName, peerNamespace, mtuBytes, masterIndex, peerMac, up, true);
  }
}
