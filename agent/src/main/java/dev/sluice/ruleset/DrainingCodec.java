package dev.sluice.ruleset;

import dev.sluice.model.Backends;
import dev.sluice.model.Draining;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingOptions;
import dev.sluice.net.Bytes;
import dev.sluice.net.Family;
import dev.sluice.net.Ip4Address;
import dev.sluice.net.Ip6Address;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.Userdata;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.Optional;

/**
 * Mappings whose connections are to be cut later, as elements of a set that no rule looks up: one
 * for each container, whose key is the mapping's id and a hash of the container's address, xored,
 * the user data its {@link MappingMetadata} and this record, big endian, IPv4 addresses in the
 * first 4 of 16 bytes.
 *
 * <pre>
 *  0         1          2               3            4            6           8             10
 *  +---------+----------+---------------+------------+------------+-----------+-------------+-
 *  | version | protocol | address bytes | any or one | first port | last port | target port |
 *  +---------+----------+---------------+------------+------------+-----------+-------------+-
 *  10          18          26             42               58
 *  +-----------+-----------+--------------+----------------+
 *  | since, ms | until, ms | host address | target address |
 *  +-----------+-----------+--------------+----------------+
 * </pre>
 */
final class DrainingCodec {
  static final int RECORD_TYPE = 0x54;

  private static final int VERSION = 1;
  private static final int ADDRESS_BYTES = 16;
  private static final int HOST_ADDRESS_OFFSET = 26;
  private static final int TARGET_ADDRESS_OFFSET = HOST_ADDRESS_OFFSET + ADDRESS_BYTES;
  private static final int LENGTH = TARGET_ADDRESS_OFFSET + ADDRESS_BYTES;

  private DrainingCodec() {}

  static SetElement element(Draining draining) {
    Mapping mapping = draining.mapping();
    ByteBuffer record = ByteBuffer.allocate(LENGTH);
    record
        .put((byte) VERSION)
        .put((byte) mapping.protocol().number())
        .put((byte) (mapping.family().bits() / Byte.SIZE))
        .put((byte) (mapping.hostAddress().isPresent() ? 1 : 0))
        .putShort((short) mapping.hostPorts().first())
        .putShort((short) mapping.hostPorts().last())
        .putShort((short) mapping.targetPorts().first())
        .putLong(draining.since().toEpochMilli())
        .putLong(draining.until().toEpochMilli());
    mapping.hostAddress().ifPresent(one -> record.put(HOST_ADDRESS_OFFSET, one.toBytes()));
    IpAddress target = mapping.targetAddress();
    // What the userland proxy serves is of IPv6 and leads to IPv4.
    boolean other = mapping.isRelayed() && target instanceof Ip4Address;
    record.put(
        TARGET_ADDRESS_OFFSET, (other ? Ip6Address.mapped((Ip4Address) target) : target).toBytes());
    Bytes metadata = MappingMetadata.of(mapping).encode();
    return key(draining)
        .withUserdata(metadata.concat(Userdata.record(RECORD_TYPE, Bytes.of(record.array()))));
  }

  static SetElement key(Draining draining) {
    Mapping mapping = draining.mapping();
    long target = 0;
    for (byte part : mapping.targetAddress().toBytes()) {
      target = (target ^ part) * 0x100_0000_01b3L; // FNV-1a
    }
    ByteBuffer key = ByteBuffer.allocate(Long.BYTES).putLong(mapping.id().bits() ^ target);
    return SetElement.of(Bytes.of(key.array()));
  }

  /** Reads it back; empty if it is not one of ours. */
  static Optional<Draining> read(SetElement element) {
    Optional<MappingMetadata> metadata = MappingMetadata.decode(element.userdata());
    Optional<Bytes> found = Userdata.find(element.userdata(), RECORD_TYPE);
    if (metadata.isEmpty()
        || found.isEmpty()
        || found.get().length() < LENGTH
        || found.get().u8(0) != VERSION) {
      return Optional.empty();
    }
    try {
      return read(metadata.get(), ByteBuffer.wrap(found.get().toArray()));
    } catch (IllegalArgumentException e) {
      return Optional.empty(); // where the table has no owner, anybody may have changed it
    }
  }

  private static Optional<Draining> read(MappingMetadata metadata, ByteBuffer record) {
    Optional<Protocol> protocol = Protocol.ofNumber(record.get(1) & 0xff);
    int addressBytes = record.get(2);
    if (protocol.isEmpty() || (addressBytes != 4 && addressBytes != ADDRESS_BYTES)) {
      return Optional.empty();
    }
    PortRange hostPorts = PortRange.of(record.getShort(4) & 0xffff, record.getShort(6) & 0xffff);
    int targetPort = record.getShort(8) & 0xffff;
    Mapping mapping =
        new Mapping(
            metadata.id(),
            metadata.name(),
            metadata.owner(),
            protocol.get(),
            addressBytes == ADDRESS_BYTES ? Family.IPV6 : Family.IPV4,
            record.get(3) == 0
                ? Optional.empty()
                : Optional.of(address(record, HOST_ADDRESS_OFFSET, addressBytes)),
            hostPorts,
            Backends.of(address(record, TARGET_ADDRESS_OFFSET, addressBytes), metadata.sandbox()),
            PortRange.of(targetPort, targetPort + hostPorts.size() - 1),
            metadata.createdAt(),
            MappingOptions.NONE);
    return Optional.of(
        new Draining(
            mapping,
            Instant.ofEpochMilli(record.getLong(10)),
            Instant.ofEpochMilli(record.getLong(18))));
  }

  private static IpAddress address(ByteBuffer record, int at, int length) {
    byte[] bytes = new byte[length];
    record.get(at, bytes);
    return IpAddress.fromBytes(bytes);
  }
}
