package dev.sluice.ruleset;

import dev.sluice.model.Backend;
import dev.sluice.model.Backends;
import dev.sluice.model.InvalidMappingException;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingName;
import dev.sluice.net.Bytes;
import dev.sluice.net.Family;
import dev.sluice.net.Ip4Address;
import dev.sluice.net.Ip6Address;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.nftables.Key;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.Userdata;
import dev.sluice.nftables.expr.Counter;
import dev.sluice.nftables.expr.Data;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * The containers of a mapping that has several, or that the userland proxy serves, as elements and
 * back: {@code slots_any4 { tcp . 8080 . 2 : 172.30.0.3 . 80 }} is what slot 2 of a port leads to.
 * Where the proxy serves the mapping, which is of IPv6 then, the addresses are IPv4-mapped ones,
 * and the numbers beyond those that a rule looks up.
 *
 * <p>The user data are a comment with the mapping's name, the name of the sandbox as in {@link
 * MappingMetadata}, and record 0x57:
 *
 * <pre>
 *  0         1              2        3
 *  +---------+--------------+--------+
 *  | version | of the named | weight |
 *  +---------+--------------+--------+
 * </pre>
 */
final class SlotCodec {
  private static final int RECORD_TYPE = 0x57;
  private static final int VERSION = 1;
  private static final int LENGTH = 3;

  /** The first number that no rule draws. */
  private static final int BEYOND = 0x80000000;

  private SlotCodec() {}

  /**
   * The elements of one host port.
   *
   * @param key of that port
   * @param counted what the counters begin at
   */
  static List<SetElement> elements(
      Mapping mapping, Bytes key, int targetPort, Map<IpAddress, Long> counted) {
    String label = mapping.name().map(MappingName::text).orElseGet(mapping.id()::toString);
    Bytes comment = Userdata.comment(label);
    int[] slots = mapping.backends().slots();
    int first = mapping.isRelayed() ? BEYOND : 0;
    Set<Integer> seen = new HashSet<>();
    List<SetElement> elements = new ArrayList<>(slots.length);
    for (int slot = 0; slot < slots.length; slot++) {
      Backend backend = mapping.backends().all().get(slots[slot]);
      byte[] record = {VERSION, (byte) slots[slot], (byte) backend.weight()};
      Bytes userdata = comment.concat(Userdata.record(RECORD_TYPE, Bytes.of(record)));
      if (backend.sandbox().isPresent()) {
        Bytes name = Bytes.ofText(backend.sandbox().get().text());
        userdata = userdata.concat(Userdata.record(MappingMetadata.SANDBOX_RECORD_TYPE, name));
      }
      Bytes target =
          Key.of().address(inFamily(backend.address(), mapping.family())).u16(targetPort).bytes();
      SetElement element =
          SetElement.of(slotKey(key, first + slot)).to(target).withUserdata(userdata);
      // The first slot of a container carries the past of all.
      long past = seen.add(slots[slot]) ? counted.getOrDefault(backend.address(), 0L) : 0;
      elements.add(past == 0 ? element : element.with(new Counter(past, 0)));
    }
    return elements;
  }

  private static Bytes slotKey(Bytes key, int slot) {
    return key.concat(Bytes.ofU32Host(slot));
  }

  private static IpAddress inFamily(IpAddress address, Family family) {
    return family == Family.IPV6 && address instanceof Ip4Address four
        ? Ip6Address.mapped(four)
        : address;
  }

  /** What the slots of one host port say. */
  record Port(Backends backends, PortRange targetPort, Map<IpAddress, Long> connections) {}

  /** Reads the slots of a map, by the keys of the host ports. Others' elements are left out. */
  static Map<Bytes, List<SetElement>> byPort(List<SetElement> elements) {
    Map<Bytes, List<SetElement>> byPort = new HashMap<>();
    for (SetElement element : elements) {
      byPort.computeIfAbsent(portKey(element), port -> new ArrayList<>()).add(element);
    }
    return byPort;
  }

  /** The key of the host port whose slot it is. */
  static Bytes portKey(SetElement slot) {
    return slot.key().slice(0, slot.key().length() - Integer.BYTES);
  }

  /**
   * Reads the slots of one host port.
   *
   * @return empty if there are none of ours, or somebody has made of them what no mapping has
   */
  static Optional<Port> read(List<SetElement> slots, Family family, MappingMetadata of) {
    int addressBytes = family.bits() / Byte.SIZE;
    TreeMap<Integer, Backend> backends = new TreeMap<>();
    Map<IpAddress, Long> connections = new LinkedHashMap<>();
    int targetPort = 0;
    for (SetElement slot : slots) {
      Optional<Bytes> record =
          Userdata.find(slot.userdata(), RECORD_TYPE)
              .filter(found -> found.length() >= LENGTH && found.u8(0) == VERSION);
      if (record.isEmpty() || !(slot.data() instanceof Data.Value target)) {
        continue;
      }
      IpAddress address = IpAddress.fromBytes(target.bytes().slice(0, addressBytes).toArray());
      try {
        Backend backend =
            new Backend(
                address,
                Userdata.find(slot.userdata(), MappingMetadata.SANDBOX_RECORD_TYPE)
                    .flatMap(MappingMetadata::sandbox),
                record.get().u8(2));
        backends.put(record.get().u8(1), backend);
        connections.merge(
            backend.address(), slot.counter().map(Counter::packets).orElse(0L), Long::sum);
      } catch (InvalidMappingException e) {
        continue; // where the table has no owner, anybody may have changed it
      }
      targetPort = target.bytes().u16be(addressBytes);
    }
    if (backends.isEmpty()) {
      return Optional.empty();
    }
    try {
      return Optional.of(
          new Port(
              new Backends(List.copyOf(backends.values()), of.balance()),
              PortRange.of(targetPort),
              connections));
    } catch (IllegalArgumentException e) {
      return Optional.empty(); // likewise: one address for two containers, odd weights, no port
    }
  }
}
