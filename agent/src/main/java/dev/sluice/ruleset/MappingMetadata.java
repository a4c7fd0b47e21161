package dev.sluice.ruleset;

import dev.sluice.model.Backend;
import dev.sluice.model.Backends;
import dev.sluice.model.Balance;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.model.MappingName;
import dev.sluice.model.Owner;
import dev.sluice.model.SandboxName;
import dev.sluice.net.Bytes;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import dev.sluice.nftables.Key;
import dev.sluice.nftables.Userdata;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What an element says about its mapping beside key and data, kept in the element's user data: a
 * comment for people who run {@code nft list}, and a record for us.
 *
 * <pre>
 *  record 0 (nft's comment): the name, or the id where there is none
 *  record 0x53, big endian:
 *  0         1       2       3       4            12               20
 *  +---------+-------+-------+-------+------------+----------------+
 *  | version | owner | named | spare | id         | created, ms    |
 *  +---------+-------+-------+-------+------------+----------------+
 *  record 0x55: the sandbox's name in ASCII, where the mapping was published by it
 *  record 0x56: the port for the PROXY protocol in 2 bytes, where there is one
 *  record 0x58: how connections are shared out, and the weight of an only container, in 1 byte
 *  each, where that is another than in turn, and 1
 * </pre>
 */
record MappingMetadata(
    MappingId id,
    Optional<MappingName> name,
    Owner owner,
    Instant createdAt,
    Optional<SandboxName> sandbox,
    OptionalInt proxyProtocolPort,
    Balance balance,
    int weight) {
  /** Behind nft's own record types, which it numbers from 0. */
  static final int RECORD_TYPE = 0x53;

  /** Behind the one of {@link DrainingCodec}. */
  static final int SANDBOX_RECORD_TYPE = 0x55;

  private static final int PROXY_PROTOCOL_RECORD_TYPE = 0x56;

  /** Behind the one of {@link SlotCodec}. */
  private static final int BALANCE_RECORD_TYPE = 0x58;

  private static final int VERSION = 1;
  private static final int VERSION_OFFSET = 0;
  private static final int OWNER_OFFSET = 1;
  private static final int NAMED_OFFSET = 2;
  private static final int ID_OFFSET = 4;
  private static final int CREATED_OFFSET = 12;
  private static final int LENGTH = 20;

  static MappingMetadata of(Mapping mapping) {
    return new MappingMetadata(
        mapping.id(),
        mapping.name(),
        mapping.owner(),
        mapping.createdAt(),
        mapping.sandbox(),
        mapping.options().proxyProtocolPort(),
        mapping.backends().balance(),
        mapping.backends().isSingle() ? mapping.backends().first().weight() : 1);
  }

  /** The one container at that address. */
  Backends only(IpAddress address) {
    return new Backends(List.of(new Backend(address, sandbox, weight)), balance);
  }

  Bytes encode() {
    ByteBuffer record = ByteBuffer.allocate(LENGTH);
    record
        .put(VERSION_OFFSET, (byte) VERSION)
        .put(OWNER_OFFSET, (byte) ownerNumber(owner))
        .put(NAMED_OFFSET, (byte) (name.isPresent() ? 1 : 0))
        .putLong(ID_OFFSET, id.bits())
        .putLong(CREATED_OFFSET, createdAt.toEpochMilli());
    String label = name.map(MappingName::text).orElseGet(id::toString);
    Bytes userdata =
        Userdata.comment(label).concat(Userdata.record(RECORD_TYPE, Bytes.of(record.array())));
    if (sandbox.isPresent()) {
      userdata =
          userdata.concat(Userdata.record(SANDBOX_RECORD_TYPE, Bytes.ofText(sandbox.get().text())));
    }
    if (proxyProtocolPort.isPresent()) {
      userdata =
          userdata.concat(
              Userdata.record(
                  PROXY_PROTOCOL_RECORD_TYPE, Key.of().u16(proxyProtocolPort.getAsInt()).bytes()));
    }
    if (balance != Balance.ROUND_ROBIN || weight != 1) {
      Bytes both = Bytes.of((byte) balanceNumber(balance), (byte) weight);
      userdata = userdata.concat(Userdata.record(BALANCE_RECORD_TYPE, both));
    }
    return userdata;
  }

  /** Reads it back; empty if these are not ours or of a version this agent does not know. */
  static Optional<MappingMetadata> decode(Bytes userdata) {
    Optional<Bytes> found = Userdata.find(userdata, RECORD_TYPE);
    if (found.isEmpty()
        || found.get().length() < LENGTH
        || found.get().u8(VERSION_OFFSET) != VERSION) {
      return Optional.empty();
    }
    ByteBuffer record = ByteBuffer.wrap(found.get().toArray());
    Optional<MappingName> name =
        record.get(NAMED_OFFSET) == 0
            ? Optional.empty()
            : Userdata.findComment(userdata).flatMap(MappingMetadata::name);
    Optional<Bytes> shares =
        Userdata.find(userdata, BALANCE_RECORD_TYPE)
            .filter(
                both -> both.length() == 2 && both.u8(1) >= 1 && both.u8(1) <= Backends.MAX_WEIGHT);
    return Optional.of(
        new MappingMetadata(
            new MappingId(record.getLong(ID_OFFSET)),
            name,
            owner(record.get(OWNER_OFFSET)),
            Instant.ofEpochMilli(record.getLong(CREATED_OFFSET)),
            Userdata.find(userdata, SANDBOX_RECORD_TYPE).flatMap(MappingMetadata::sandbox),
            Userdata.find(userdata, PROXY_PROTOCOL_RECORD_TYPE)
                .filter(port -> port.length() == 2)
                .map(port -> OptionalInt.of(port.u16be(0)))
                .orElse(OptionalInt.empty()),
            shares.map(both -> balance(both.u8(0))).orElse(Balance.ROUND_ROBIN),
            shares.map(both -> both.u8(1)).orElse(1)));
  }

  static Optional<SandboxName> sandbox(Bytes text) {
    try {
      return Optional.of(new SandboxName(new String(text.toArray(), StandardCharsets.US_ASCII)));
    } catch (MalformedValueException e) {
      return Optional.empty();
    }
  }

  /** Empty if it is no name: where the table has no owner, anybody may have changed the comment. */
  private static Optional<MappingName> name(String text) {
    try {
      return Optional.of(new MappingName(text));
    } catch (MalformedValueException e) {
      return Optional.empty();
    }
  }

  /** Stored numbers, independent of the enum's order. */
  static int ownerNumber(Owner owner) {
    return switch (owner) {
      case CLI -> 1;
      case API -> 2;
      case DOCKER -> 3;
      case CNI -> 4;
      case FILE -> 5;
      case DOCKER_DRIVER -> 6;
    };
  }

  /** Stored numbers, independent of the enum's order. */
  private static int balanceNumber(Balance balance) {
    return switch (balance) {
      case ROUND_ROBIN -> 0;
      case RANDOM -> 1;
      case SOURCE -> 2;
    };
  }

  private static Balance balance(int number) {
    for (Balance balance : Balance.values()) {
      if (balanceNumber(balance) == number) {
        return balance;
      }
    }
    return Balance.ROUND_ROBIN;
  }

  static Owner owner(int number) {
    for (Owner owner : Owner.values()) {
      if (ownerNumber(owner) == number) {
        return owner;
      }
    }
    return Owner.API;
  }
}
