package dev.sluice.sysctl;

import dev.sluice.net.PortRange;
import java.io.UncheckedIOException;
import java.util.BitSet;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.StringJoiner;
import org.jspecify.annotations.Nullable;

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

  /** Giving back is tried again: nobody would do it later. */
  private static final int REMOVE_ATTEMPTS = 3;

  private static final long CHOICE_NANOS = 1_000_000_000L;

  private final Sysctl sysctl;

  /** How many mappings use a port; only of ports that we reserved. */
  private final Map<Integer, Integer> users = new HashMap<>();

  private final BitSet others;

  /** Ports that nobody uses any more and that could not be given back yet. */
  private final BitSet free = new BitSet();

  private @Nullable PortRange choice;
  private long choiceReadAtNanos;

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

  /** Reserves the ports, those the kernel might choose; none of them if that fails. */
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
    if (added.isEmpty()) {
      return;
    }
    try {
      sysctl.append(RESERVED, format(added));
      free.andNot(added);
    } catch (UncheckedIOException e) {
      ports.forEach(this::forget);
      throw e;
    }
  }

  /** Gives the ports back that nobody uses any more. */
  public synchronized void remove(Collection<PortRange> ports) {
    BitSet gone = new BitSet();
    for (PortRange range : ports) {
      for (int port = range.first(); port <= range.last(); port++) {
        if (forget(port)) {
          gone.set(port);
        }
      }
    }
    if (gone.isEmpty()) {
      return;
    }
    free.or(gone);
    for (int attempt = 1; ; attempt++) {
      try {
        BitSet left = parse(sysctl.get(RESERVED).orElse(""));
        left.andNot(free);
        sysctl.replace(RESERVED, format(left));
        free.clear();
        return;
      } catch (UncheckedIOException e) {
        if (attempt == REMOVE_ATTEMPTS) {
          throw e;
        }
      }
    }
  }

  private void forget(PortRange ports) {
    for (int port = ports.first(); port <= ports.last(); port++) {
      forget(port);
    }
  }

  /** One user less; whether it was the last. */
  private boolean forget(int port) {
    if (!users.containsKey(port) || users.merge(port, -1, Integer::sum) > 0) {
      return false;
    }
    users.remove(port);
    return true;
  }

  /** How many ports are reserved for mappings. */
  public synchronized int size() {
    return users.size();
  }

  /** What the kernel chooses from; read once a second, as it costs more than all the rest. */
  private PortRange choice() {
    long now = System.nanoTime();
    if (choice == null || now - choiceReadAtNanos > CHOICE_NANOS) {
      choice = readChoice();
      choiceReadAtNanos = now;
    }
    return choice;
  }

  private PortRange readChoice() {
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
