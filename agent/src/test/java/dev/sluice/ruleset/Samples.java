package dev.sluice.ruleset;

import dev.sluice.model.Backend;
import dev.sluice.model.Backends;
import dev.sluice.model.Balance;
import dev.sluice.model.Egress;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Network;
import dev.sluice.model.Owner;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SourceRate;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Prefix;
import dev.sluice.net.Protocol;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;

/** Mappings and networks of every form, the same for the same seed. */
final class Samples {
  private static final String LETTERS = "abcXYZ019_.-";

  private final Random random;

  Samples(long seed) {
    random = new Random(seed);
  }

  /**
   * Either family, every protocol, any or exact, one port, an identity range or a shifted one, to
   * one container or several; now and then relayed, or with the PROXY protocol.
   */
  Mapping mapping() {
    Family family = family();
    Protocol protocol = pick(List.of(Protocol.TCP, Protocol.UDP, Protocol.SCTP));
    int size = random.nextBoolean() ? 1 : 2 + random.nextInt(20);
    PortRange host = ports(size);
    PortRange target = random.nextBoolean() ? host : ports(size);
    boolean relayed = family == Family.IPV6 && protocol != Protocol.SCTP && random.nextInt(4) == 0;
    return new Mapping(
        new MappingId(random.nextLong()),
        random.nextBoolean() ? Optional.empty() : Optional.of(name()),
        pick(List.of(Owner.values())),
        protocol,
        family,
        random.nextBoolean() ? Optional.empty() : Optional.of(address(family)),
        host,
        backends(relayed ? Family.IPV4 : family),
        target,
        Instant.ofEpochMilli(random.nextLong(1L << 42)),
        MappingOptions.NONE.withProxyProtocolPort(
            protocol == Protocol.TCP && host.isSingle() && random.nextBoolean()
                ? OptionalInt.of(1 + random.nextInt(0xffff))
                : OptionalInt.empty()));
  }

  private Backends backends(Family family) {
    List<Backend> all = new ArrayList<>();
    for (int i = random.nextInt(2) == 0 ? 1 : 2 + random.nextInt(7); i > 0; i--) {
      all.add(
          new Backend(
              address(family),
              random.nextBoolean()
                  ? Optional.empty()
                  : Optional.of(new SandboxName("s" + random.nextInt(1000))),
              1 + random.nextInt(7)));
    }
    return new Backends(all, pick(List.of(Balance.values())));
  }

  /** Any of the options that the mapping may have, or none. */
  MappingOptions options(Mapping mapping) {
    Family family = mapping.family();
    List<Prefix> sources = new ArrayList<>();
    for (int i = random.nextInt(4); i > 0; i--) {
      int length = random.nextInt(3) == 0 ? family.bits() : random.nextInt(family.bits() + 1);
      sources.add(Prefix.containing(address(family), length));
    }
    return new MappingOptions(
        sources,
        random.nextBoolean() ? OptionalInt.empty() : OptionalInt.of(1 + random.nextInt(10_000_000)),
        random.nextBoolean()
            ? Optional.empty()
            : Optional.of(
                new SourceRate(
                    1 + random.nextInt(SourceRate.MAX_CONNECTIONS),
                    pick(List.of(SourceRate.Per.values())))),
        mapping.protocol() == Protocol.TCP && !mapping.isRelayed() && random.nextBoolean(),
        mapping.options().proxyProtocolPort());
  }

  /** Often at the highest port, where an interval has no end. */
  private PortRange ports(int size) {
    int first = random.nextInt(4) == 0 ? 0x10000 - size : 1 + random.nextInt(0xffff - size);
    return new PortRange(first, first + size - 1);
  }

  Network network() {
    List<Prefix> subnets = new ArrayList<>();
    for (int i = 0; i < 1 + random.nextInt(3); i++) {
      Family family = family();
      // The upper half of the bits are shared; now and then the highest block there is.
      IpAddress address = random.nextInt(8) == 0 ? highest(family) : address(family);
      int length = family.bits() / 2 + random.nextInt(family.bits() / 2 + 1);
      Prefix subnet = Prefix.containing(address, length);
      if (subnets.stream().noneMatch(subnet::overlaps)) {
        subnets.add(subnet);
      }
    }
    return new Network(
        name().text(),
        new InterfaceName("br" + random.nextInt(1000)),
        subnets,
        switch (random.nextInt(4)) {
          case 0 -> new Egress.Masquerade();
          case 1 ->
              new Egress.FixedSource(
                  subnets.stream().map(Prefix::family).distinct().map(this::address).toList());
          case 2 -> new Egress.Routed();
          default -> new Egress.Unmanaged();
        });
  }

  private static IpAddress highest(Family family) {
    return IpAddress.any(family).lastOfPrefix(0);
  }

  private Family family() {
    return pick(List.of(Family.values()));
  }

  private IpAddress address(Family family) {
    byte[] bytes = new byte[family.bits() / Byte.SIZE];
    random.nextBytes(bytes);
    // Neither multicast nor a mapped address.
    bytes[0] = (byte) (0x20 + random.nextInt(0x40));
    return IpAddress.fromBytes(bytes);
  }

  private MappingName name() {
    StringBuilder text = new StringBuilder("n");
    for (int i = random.nextInt(64); i > 0; i--) {
      text.append(LETTERS.charAt(random.nextInt(LETTERS.length())));
    }
    return new MappingName(text.toString());
  }

  private <T> T pick(List<T> choice) {
    return choice.get(random.nextInt(choice.size()));
  }

  long below(long bound) {
    return random.nextLong(bound);
  }

  Random random() {
    return random;
  }
}
