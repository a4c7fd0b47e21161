package dev.sluice.ruleset;

import dev.sluice.model.LinkedPort;
import dev.sluice.model.OpenPort;
import dev.sluice.net.Bytes;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Protocol;
import dev.sluice.nftables.Key;
import dev.sluice.nftables.SetElement;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Ports of containers that are reached without translation, as elements: {@code open4 { 10.99.0.2 .
 * tcp . 80 }} by everybody, {@code linked4 { 10.1.0.2 . 10.1.0.3 . tcp . 80 }} by a neighbour.
 */
final class PortCodec {
  /** A port in a concatenation has four bytes, two of them empty, behind the protocol's four. */
  private static final int FIELD_BYTES = 4;

  private PortCodec() {}

  static Map<String, List<SetElement>> open(Collection<OpenPort> ports) {
    Map<String, List<SetElement>> bySet = new HashMap<>();
    for (OpenPort one : ports) {
      Bytes key =
          Key.of().address(one.address()).u8(one.protocol().number()).u16(one.port()).bytes();
      bySet
          .computeIfAbsent(SetNames.open(one.address().family()), set -> new ArrayList<>())
          .add(SetElement.of(key));
    }
    return bySet;
  }

  static Map<String, List<SetElement>> linked(Collection<LinkedPort> ports) {
    Map<String, List<SetElement>> bySet = new HashMap<>();
    for (LinkedPort one : ports) {
      Bytes key =
          Key.of()
              .address(one.from())
              .address(one.to())
              .u8(one.protocol().number())
              .u16(one.port())
              .bytes();
      bySet
          .computeIfAbsent(SetNames.linked(one.to().family()), set -> new ArrayList<>())
          .add(SetElement.of(key));
    }
    return bySet;
  }

  static Set<OpenPort> readOpen(List<SetElement> elements) {
    Set<OpenPort> ports = new HashSet<>();
    for (SetElement element : elements) {
      int address = element.key().length() - 2 * FIELD_BYTES;
      protocol(element, address)
          .ifPresent(
              protocol ->
                  ports.add(new OpenPort(address(element, 0, address), protocol, port(element))));
    }
    return ports;
  }

  static Set<LinkedPort> readLinked(List<SetElement> elements) {
    Set<LinkedPort> ports = new HashSet<>();
    for (SetElement element : elements) {
      int both = element.key().length() - 2 * FIELD_BYTES;
      protocol(element, both)
          .ifPresent(
              protocol ->
                  ports.add(
                      new LinkedPort(
                          address(element, 0, both / 2),
                          address(element, both / 2, both / 2),
                          protocol,
                          port(element))));
    }
    return ports;
  }

  private static Optional<Protocol> protocol(SetElement element, int at) {
    return Protocol.ofNumber(element.key().u8(at));
  }

  private static int port(SetElement element) {
    return element.key().u16be(element.key().length() - FIELD_BYTES);
  }

  private static IpAddress address(SetElement element, int at, int bytes) {
    return IpAddress.fromBytes(element.key().slice(at, bytes).toArray());
  }
}
