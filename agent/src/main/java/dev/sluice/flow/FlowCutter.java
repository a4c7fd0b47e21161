package dev.sluice.flow;

import dev.sluice.conntrack.Conntrack;
import dev.sluice.conntrack.ConntrackEntry;
import dev.sluice.conntrack.ConntrackFilter;
import dev.sluice.conntrack.LinuxNfConntrack;
import dev.sluice.conntrack.Tuple;
import dev.sluice.conntrack.TupleFilter;
import dev.sluice.model.Mapping;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.function.Supplier;

/**
 * Ends flows, so that what was decided about a port holds for packets of connections that exist
 * already: the kernel decides about a connection once, at its first packet, and remembers.
 *
 * <p>What is to end is collected first; {@link Cut#carryOut} then looks the flows up, by their
 * ports, among those that the stream of events tells of. Where that is not complete, it walks the
 * host's table of connections instead, once, about 8 ms. Thread-safe.
 */
public final class FlowCutter {
  private static final Comparator<ConntrackEntry> OLDEST_FIRST =
      Comparator.comparingLong(entry -> entry.startNanos().orElse(Long.MAX_VALUE));

  /** More ports than that are not looked up one by one. */
  private static final int MAX_PORTS = 1 << 18;

  private final Conntrack conntrack;
  private final Supplier<LiveFlows> liveFlows;
  private final MappingIndex index;
  private final Predicate<IpAddress> isLocal;
  private final Supplier<? extends Carrier> carrier;

  /** As the other, where nothing is carried past the rules. */
  public FlowCutter(
      Conntrack conntrack,
      Supplier<LiveFlows> liveFlows,
      MappingIndex index,
      Predicate<IpAddress> isLocal) {
    this(conntrack, liveFlows, index, isLocal, () -> Carrier.NONE);
  }

  /**
   * @param liveFlows the flows that the stream of events tells of
   * @param index knows what each flow goes through, as long as it remembers the mapping
   * @param isLocal tells the host's own addresses: flows to a published port number elsewhere are
   *     none of our business, and what comes from the host itself is always admitted
   * @param carrier carries flows past the rules, and has to let go of what ends
   */
  public FlowCutter(
      Conntrack conntrack,
      Supplier<LiveFlows> liveFlows,
      MappingIndex index,
      Predicate<IpAddress> isLocal,
      Supplier<? extends Carrier> carrier) {
    this.conntrack = conntrack;
    this.liveFlows = liveFlows;
    this.index = index;
    this.isLocal = isLocal;
    this.carrier = carrier;
  }

  /** Nothing to end yet. */
  public Cut begin() {
    return new Cut();
  }

  private enum What {
    /** Through the mapping, whatever it led to at the time. */
    THROUGH,
    /** Through the mapping, to the target it has here. */
    TO_TARGET,
    FORBIDDEN,
    PAST
  }

  private record Order(Mapping mapping, What what, long beganBeforeNanos) {}

  /** A host port of a mapping, whose connections are limited together. */
  private record LimitedPort(Mapping mapping, int port) {}

  /** Which flows are to end. Not thread-safe. */
  public final class Cut {
    private final List<Order> orders = new ArrayList<>();
    // By protocol and port, so that ending the flows of thousands of mappings is one lookup a flow.
    private final Map<Integer, List<Order>> ofPort = new HashMap<>();
    private final List<Order> ofRanges = new ArrayList<>();
    // Asking the kernel about an address takes longer than everything else about a flow.
    private final Map<IpAddress, Boolean> hostsOwn = new HashMap<>();

    /** Every flow that goes through one of the mappings, also to targets they led to earlier. */
    public Cut through(List<Mapping> mappings) {
      mappings.forEach(one -> add(new Order(one, What.THROUGH, Long.MAX_VALUE)));
      return this;
    }

    /** Every flow through a withdrawn mapping, where the port may be published again since then. */
    public Cut throughSince(Mapping mapping, Instant instant) {
      add(new Order(mapping, What.THROUGH, MappingIndex.nanos(instant)));
      return this;
    }

    /** Every flow that goes through one of the mappings to the target that it has here. */
    public Cut toTarget(List<Mapping> mappings) {
      mappings.forEach(one -> add(new Order(one, What.TO_TARGET, Long.MAX_VALUE)));
      return this;
    }

    /**
     * Flows to the mappings' targets that know no end of their own: those of udp; connections live
     * on.
     */
    public Cut toTargetIfUdp(List<Mapping> mappings) {
      return toTarget(
          mappings.stream().filter(mapping -> mapping.protocol() == Protocol.UDP).toList());
    }

    /**
     * Flows through the mappings that their options would not admit: from other sources, and the
     * youngest of those beyond the limit.
     */
    public Cut forbidden(List<Mapping> mappings) {
      mappings.forEach(one -> add(new Order(one, What.FORBIDDEN, Long.MAX_VALUE)));
      return this;
    }

    /**
     * Flows to the mappings' host ports that began before the mapping was published and therefore
     * bypass it: a client that goes on sending from the same port keeps its flow alive for ever.
     * Not tcp, where a connection needs somebody who accepted it, and the port was free.
     */
    public Cut past(List<Mapping> mappings) {
      mappings.stream()
          .filter(mapping -> mapping.protocol() != Protocol.TCP)
          .forEach(one -> add(new Order(one, What.PAST, Long.MAX_VALUE)));
      return this;
    }

    private void add(Order order) {
      orders.add(order);
      Mapping mapping = order.mapping();
      if (mapping.hostPorts().isSingle()) {
        int key = key(mapping.protocol().number(), mapping.hostPorts().first());
        ofPort.computeIfAbsent(key, port -> new ArrayList<>(1)).add(order);
      } else {
        ofRanges.add(order);
      }
    }

    /**
     * Ends them.
     *
     * @return how many
     */
    public int carryOut() {
      if (orders.isEmpty()) {
        return 0;
      }
      List<ConntrackEntry> doomed = new ArrayList<>();
      Map<LimitedPort, List<ConntrackEntry>> limited = new HashMap<>();
      for (ConntrackEntry entry : candidates()) {
        if (isDoomed(entry, limited)) {
          doomed.add(entry);
        }
      }
      limited.forEach((port, entries) -> doomed.addAll(youngest(port, entries)));
      return doomed.isEmpty() ? 0 : end(doomed);
    }

    private int end(List<ConntrackEntry> doomed) {
      Carrier carrying = carrier.get();
      carrying.beforeEnd(doomed);
      try {
        return conntrack.deleteAll(doomed);
      } finally {
        carrying.afterEnd(doomed);
      }
    }

    /** Every flow that may be meant, and some others. */
    private List<ConntrackEntry> candidates() {
      List<ConntrackEntry> candidates = new ArrayList<>();
      ConntrackFilter filter = narrow(orders);
      Set<LiveFlows.Port> ports = ports();
      if (ports.size() > MAX_PORTS
          || !liveFlows
              .get()
              .forEachTo(
                  ports,
                  flow -> {
                    ConntrackEntry entry = flow.toEntry();
                    if (filter.matches(entry)) {
                      candidates.add(entry);
                    }
                  })
          || (asksForStart() && candidates.stream().anyMatch(one -> one.startNanos().isEmpty()))) {
        candidates.clear();
        conntrack.dump(filter, candidates::add);
      }
      return candidates;
    }

    /** Whether it matters when a flow began, which the stream of events may not have told. */
    private boolean asksForStart() {
      return orders.stream().anyMatch(order -> order.beganBeforeNanos() != Long.MAX_VALUE);
    }

    private Set<LiveFlows.Port> ports() {
      Set<LiveFlows.Port> ports = new HashSet<>();
      for (Order order : orders) {
        PortRange hostPorts = order.mapping().hostPorts();
        for (int port = hostPorts.first();
            port <= hostPorts.last() && ports.size() <= MAX_PORTS;
            port++) {
          ports.add(new LiveFlows.Port(order.mapping().protocol().number(), port));
        }
      }
      return ports;
    }

    private boolean isDoomed(ConntrackEntry entry, Map<LimitedPort, List<ConntrackEntry>> limited) {
      if (!(entry.original().detail() instanceof Tuple.Ports ports)) {
        return false;
      }
      int key = key(entry.protocol(), ports.destination());
      for (Order order : ofPort.getOrDefault(key, List.of())) {
        if (isDoomed(entry, order, limited)) {
          return true;
        }
      }
      for (Order order : ofRanges) {
        if (isDoomed(entry, order, limited)) {
          return true;
        }
      }
      return false;
    }

    private boolean isDoomed(
        ConntrackEntry entry, Order order, Map<LimitedPort, List<ConntrackEntry>> limited) {
      Mapping mapping = order.mapping();
      if (!isToHostPort(entry.original(), mapping)) {
        return false;
      }
      Optional<Mapping> carrier =
          entry.isDnat() ? index.find(TrackedFlows.flow(entry)) : Optional.empty();
      boolean ours = carrier.filter(one -> !one.id().equals(mapping.id())).isEmpty();
      boolean toTarget = ours && entry.isDnat() && isFromTarget(entry, mapping);
      return switch (order.what()) {
        case THROUGH ->
            (toTarget || (ours && carrier.isPresent()))
                && entry.startNanos().orElse(0) < order.beganBeforeNanos();
        case TO_TARGET -> toTarget;
        case PAST ->
            !toTarget
                && carrier.filter(one -> goesBefore(one, mapping)).isEmpty()
                && hostsOwn.computeIfAbsent(entry.original().destination(), isLocal::test);
        case FORBIDDEN -> toTarget && isForbidden(entry, mapping, limited);
      };
    }

    /** Whether connections to a port of both rightly go through the other one. */
    private boolean goesBefore(Mapping other, Mapping mapping) {
      return other.precedence().compareTo(mapping.precedence()) < 0 && index.isPublished(other);
    }

    private boolean isForbidden(
        ConntrackEntry entry, Mapping mapping, Map<LimitedPort, List<ConntrackEntry>> limited) {
      IpAddress source = entry.original().source();
      if (hostsOwn.computeIfAbsent(source, isLocal::test)) {
        return false; // always admitted, and not counted
      }
      if (!mapping.options().admits(source)) {
        return true;
      }
      if (mapping.options().maxConnections().isPresent() && isOpen(entry)) {
        int port = entry.original().destinationPort().orElseThrow();
        limited.computeIfAbsent(new LimitedPort(mapping, port), k -> new ArrayList<>()).add(entry);
      }
      return false;
    }
  }

  private static int key(int protocol, int port) {
    return protocol << 16 | port;
  }

  private static List<ConntrackEntry> youngest(LimitedPort port, List<ConntrackEntry> entries) {
    int limit = port.mapping().options().maxConnections().orElseThrow();
    entries.sort(OLDEST_FIRST);
    return entries.subList(Math.min(limit, entries.size()), entries.size());
  }

  /** Whether the kernel counts it as open (nf_conncount.c, already_closed). */
  private static boolean isOpen(ConntrackEntry entry) {
    int state = entry.tcpState().orElse(LinuxNfConntrack.TCP_CONNTRACK_NONE);
    return state != LinuxNfConntrack.TCP_CONNTRACK_TIME_WAIT
        && state != LinuxNfConntrack.TCP_CONNTRACK_CLOSE;
  }

  /** What all orders have in common, for the kernel to filter by. */
  private static ConntrackFilter narrow(List<Order> orders) {
    Mapping first = orders.get(0).mapping();
    TupleFilter original = TupleFilter.ANY;
    ConntrackFilter filter = ConntrackFilter.ALL;
    if (orders.stream().allMatch(order -> order.mapping().family() == first.family())) {
      filter = filter.family(first.family());
    }
    if (orders.stream().allMatch(order -> order.mapping().protocol() == first.protocol())) {
      original = original.protocol(first.protocol().number());
    }
    if (first.hostPorts().isSingle()
        && orders.stream().allMatch(one -> one.mapping().hostPorts().equals(first.hostPorts()))) {
      original = original.destinationPort(first.hostPorts().first());
    }
    if (orders.stream().noneMatch(order -> order.what() == What.PAST)) {
      filter = filter.status(LinuxNfConntrack.IPS_DST_NAT, LinuxNfConntrack.IPS_DST_NAT);
    }
    return filter.original(original);
  }

  private static boolean isToHostPort(Tuple original, Mapping mapping) {
    return original.protocol() == mapping.protocol().number()
        && original.destination().family() == mapping.family()
        && original.detail() instanceof Tuple.Ports ports
        && ports.destination() > 0
        && mapping.hostPorts().contains(ports.destination())
        && (mapping.hostAddress().isEmpty()
            || mapping.hostAddress().get().equals(original.destination()));
  }

  /** Whether the answers come from the port the mapping leads to. */
  private static boolean isFromTarget(ConntrackEntry entry, Mapping mapping) {
    if (!(entry.original().detail() instanceof Tuple.Ports asked)
        || !(entry.reply().detail() instanceof Tuple.Ports answered)) {
      return false;
    }
    int offset = asked.destination() - mapping.hostPorts().first();
    return mapping.backends().has(entry.reply().source())
        && answered.source() == mapping.targetPorts().first() + offset;
  }
}
