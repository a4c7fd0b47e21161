package dev.sluice.sysctl;

import dev.sluice.net.PortRange;
import java.util.BitSet;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.StringJoiner;

/**
 * Keeps the kernel from choosing published ports as source ports of the host's own connections
 * (net.ipv4.ip_local_reserved_ports, which counts for IPv6 too). Ports outside of
 * net.ipv4.ip_local_port_range are never chosen and therefore left alone, as are ports that
 * somebody else has reserved.
 *
 * <p>Adding costs the same however many are reserved. Thread-safe.
 */
public final class ReservedLocalPorts {
  static final String RESERVED = "net/ipv4/ip_local_reserved_ports";
  static final String RANGE = "net/ipv4/ip_local_port_range";

  private final Sysctl sysctl;

  /** How many mappings use a port; only of ports that we reserved. */
  private final Map<Integer, Integer> users = new HashMap<>();

  private final BitSet others;

  public ReservedLocalPorts(Sysctl sysctl) {
    this.sysctl = sysctl;
    this.others = sysctl.get(RESERVED).map(ReservedLocalPorts::parse).orElseGet(BitSet::new);
  }

  /**
   * Takes over the ports of the mappings that are there already: where they are reserved, it was
   * the agent before this one.
   */
  public synchronized void adopt(Collection<PortRange> published) {
    published.forEach(ports -> others.clear(ports.first(), ports.last() + 1));
    add(published);
  }

  /** Reserves the ports, those the kernel might choose. */
  public synchronized void add(Collection<PortRange> ports) {
    BitSet added = new BitSet();
    PortRange choice = choice();
    for (PortRange range : ports) {
      for (int port = Math.max(range.first(), choice.first());
          port <= Math.min(range.last(), choice.last());
          port++) {
        if (!others.get(port) && users.merge(port, 1, Integer::sum) == 1) {
          added.set(port);
        }
      }
    }
    if (!added.isEmpty()) {
      sysctl.append(RESERVED, format(added));
    }
  }

  /** Gives the ports back that nobody uses any more. */
  public synchronized void remove(Collection<PortRange> ports) {
    BitSet gone = new BitSet();
    for (PortRange range : ports) {
      for (int port = range.first(); port <= range.last(); port++) {
        if (users.containsKey(port) && users.merge(port, -1, Integer::sum) == 0) {
          users.remove(port);
          gone.set(port);
        }
      }
    }
    if (gone.isEmpty()) {
      return;
    }
    BitSet left = parse(sysctl.get(RESERVED).orElse(""));
    left.andNot(gone);
    sysctl.replace(RESERVED, format(left));
  }

  /** How many ports are reserved for mappings. */
  public synchronized int size() {
    return users.size();
  }

  private PortRange choice() {
    String[] ends = sysctl.get(RANGE).orElse("").trim().split("\\s+", 2);
    try {
      return new PortRange(Integer.parseInt(ends[0]), Integer.parseInt(ends[1]));
    } catch (IllegalArgumentException | ArrayIndexOutOfBoundsException e) {
      // A kernel without the parameter chooses from its default.
      return new PortRange(32_768, 60_999);
    }
  }

  /** Reads {@code 40000-40010,41000}. */
  static BitSet parse(String list) {
    BitSet ports = new BitSet();
    for (String part : list.trim().split(",", -1)) {
      // Port 0 can be in the list; it means nothing.
      if (!part.isBlank() && !part.strip().equals("0")) {
        PortRange range = PortRange.parse(part.strip());
        ports.set(range.first(), range.last() + 1);
      }
    }
    return ports;
  }

  static String format(BitSet ports) {
    StringJoiner list = new StringJoiner(",");
    for (int first = ports.nextSetBit(0); first >= 0; ) {
      int behind = ports.nextClearBit(first);
      list.add(behind - first == 1 ? Integer.toString(first) : first + "-" + (behind - 1));
      first = ports.nextSetBit(behind);
    }
    return list.toString();
  }
}
