package dev.sluice.route;

import static dev.sluice.netlink.LinuxNetlink.NLM_F_CREATE;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_EXCL;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_REQUEST;
import static dev.sluice.route.FixedHeaders.ifaddrmsg;
import static dev.sluice.route.LinuxRtnetlink.*;

import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MalformedMessageException;
import dev.sluice.netlink.MessageCursor;
import dev.sluice.netlink.MessageWriter;
import java.util.Optional;

/** RTM_*ADDR: struct ifaddrmsg and IFA_* attributes. */
final class AddressMessages {
  private AddressMessages() {}

  /**
   * Asks for all addresses.
   *
   * @param linkIndex of this link only; 0: of all. Kernels before 4.20 ignore it
   */
  static MessageWriter dump(int linkIndex) {
    MessageWriter writer = new MessageWriter(64).begin(RTM_GETADDR, NLM_F_REQUEST, 0);
    return ifaddrmsg(writer, AF_UNSPEC, 0, 0, 0, linkIndex).end();
  }

  static MessageWriter add(InterfaceAddress address) {
    return write(RTM_NEWADDR, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL, address);
  }

  static MessageWriter remove(InterfaceAddress address) {
    return write(RTM_DELADDR, NLM_F_REQUEST, address);
  }

  private static MessageWriter write(int type, int messageFlags, InterfaceAddress address) {
    MessageWriter writer = new MessageWriter(128).begin(type, messageFlags, 0);
    // ifa_flags has eight bits; a longer set replaces it.
    boolean longFlags = address.flags() >>> 8 != 0;
    ifaddrmsg(
        writer,
        Addresses.number(address.address().family()),
        address.prefixLengthBits(),
        longFlags ? 0 : address.flags(),
        address.scope(),
        address.linkIndex());
    writer.attrBytes(IFA_LOCAL, address.address().toBytes());
    writer.attrBytes(IFA_ADDRESS, address.peer().orElse(address.address()).toBytes());
    if (longFlags) {
      writer.attrU32(IFA_FLAGS, address.flags());
    }
    return writer.end();
  }

  /** Reads RTM_NEWADDR and RTM_DELADDR; empty for families that are not the Internet's. */
  static Optional<InterfaceAddress> decode(MessageCursor message) {
    Optional<Family> known = Addresses.family(message.headerU8(FixedHeaders.IFA_FAMILY_OFFSET));
    if (known.isEmpty()) {
      return Optional.empty();
    }
    Family family = known.get();
    Optional<IpAddress> local = Optional.empty();
    Optional<IpAddress> address = Optional.empty();
    int flags = message.headerU8(FixedHeaders.IFA_FLAGS_OFFSET);
    AttributeCursor attribute = message.attributes(FixedHeaders.IFADDRMSG_BYTES);
    while (attribute.next()) {
      switch (attribute.type()) {
        case IFA_LOCAL -> local = Optional.of(Addresses.read(attribute, family));
        case IFA_ADDRESS -> address = Optional.of(Addresses.read(attribute, family));
        case IFA_FLAGS -> flags = attribute.u32();
        default -> {}
      }
    }
    // IFA_ADDRESS is the peer's address if the host's own is told beside it (linux/if_addr.h).
    if (local.isEmpty() && address.isEmpty()) {
      throw new MalformedMessageException("RTM_NEWADDR has neither IFA_LOCAL nor IFA_ADDRESS");
    }
    IpAddress own = local.isPresent() ? local.get() : address.get();
    return Optional.of(
        new InterfaceAddress(
            message.headerU32(FixedHeaders.IFA_INDEX_OFFSET),
            own,
            Addresses.prefixLength(message.headerU8(FixedHeaders.IFA_PREFIXLEN_OFFSET), family),
            address.filter(peer -> !peer.equals(own)),
            message.headerU8(FixedHeaders.IFA_SCOPE_OFFSET),
            flags));
  }
}
