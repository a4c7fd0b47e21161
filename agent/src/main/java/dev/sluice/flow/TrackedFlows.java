package dev.sluice.flow;

import dev.sluice.conntrack.Conntrack;
import dev.sluice.conntrack.ConntrackEntry;
import dev.sluice.conntrack.ConntrackFilter;
import dev.sluice.conntrack.Counters;
import dev.sluice.conntrack.LinuxNfConntrack;
import dev.sluice.conntrack.Tuple;
import dev.sluice.conntrack.TupleFilter;
import dev.sluice.model.Flow;
import dev.sluice.model.FlowCounters;
import dev.sluice.model.FlowStatus;
import dev.sluice.model.FlowTuple;
import dev.sluice.model.Mapping;
import dev.sluice.model.TcpState;
import dev.sluice.net.IpAddress;
import java.time.Instant;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** The flows as the kernel's table has them at the moment of asking. */
public final class TrackedFlows implements Flows {
  private final Supplier<Conntrack> tables;
  private final MappingIndex index;
  private final CarriedFlows carried;

  /**
   * @param tables opens the table of the host's namespace. Each request has a connection of its
   *     own, which it closes, so that a consumer that takes its time holds up nobody else
   * @param index which mapping a flow belongs to
   * @param carried what the fast path carries
   */
  public TrackedFlows(Supplier<Conntrack> tables, MappingIndex index, CarriedFlows carried) {
    this.tables = tables;
    this.index = index;
    this.carried = carried;
  }

  /** As the other, without a fast path. */
  public TrackedFlows(Supplier<Conntrack> tables, MappingIndex index) {
    this(tables, index, new CarriedFlows(index));
  }

  @Override
  public void forEach(FlowFilter filter, Consumer<AttributedFlow> consumer) {
    carried.freshen();
    try (Conntrack table = tables.get()) {
      table.dump(
          kernelFilter(filter),
          entry -> {
            Flow flow = flow(entry);
            Optional<Mapping> mapping = index.find(flow);
            if (admits(filter, flow, mapping)) {
              consumer.accept(new AttributedFlow(flow, mapping, carried.of(entry)));
            }
          });
    }
  }

  /** What the kernel can leave out for us: it knows no "any of four addresses" and no mappings. */
  static ConntrackFilter kernelFilter(FlowFilter filter) {
    ConntrackFilter wanted = ConntrackFilter.ALL;
    if (filter.address().isPresent()) {
      wanted = wanted.family(filter.address().get().family());
    }
    if (filter.protocol().isPresent()) {
      wanted = wanted.original(TupleFilter.ANY.protocol(filter.protocol().get().number()));
    }
    if (filter.publishedOnly() || filter.mapping().isPresent()) {
      wanted = wanted.status(LinuxNfConntrack.IPS_DST_NAT, LinuxNfConntrack.IPS_DST_NAT);
    }
    return wanted;
  }

  private static boolean admits(FlowFilter filter, Flow flow, Optional<Mapping> mapping) {
    return (!filter.publishedOnly() || mapping.isPresent())
        && (filter.mapping().isEmpty()
            || mapping.filter(found -> isCalled(found, filter.mapping().get())).isPresent())
        && (filter.protocol().isEmpty()
            || filter.protocol().get().number() == flow.original().protocol())
        && (filter.address().isEmpty() || hasAddress(flow, filter.address().get()));
  }

  private static boolean isCalled(Mapping mapping, String nameOrId) {
    return mapping.label().equals(nameOrId) || mapping.id().toString().equals(nameOrId);
  }

  private static boolean hasAddress(Flow flow, IpAddress address) {
    return address.equals(flow.original().source())
        || address.equals(flow.original().destination())
        || address.equals(flow.reply().source())
        || address.equals(flow.reply().destination());
  }

  static Flow flow(ConntrackEntry entry) {
    return new Flow(
        entry.id(),
        tuple(entry.original()),
        tuple(entry.reply()),
        FlowStatus.ofBits(entry.status()),
        entry.tcpState().isPresent()
            ? TcpState.ofNumber(entry.tcpState().getAsInt())
            : Optional.empty(),
        entry.mark() & 0xffff_ffffL,
        entry.zone(),
        entry.timeoutSeconds().isPresent()
            ? OptionalInt.of((int) Math.min(entry.timeoutSeconds().getAsLong(), Integer.MAX_VALUE))
            : OptionalInt.empty(),
        entry.originalCounters().map(TrackedFlows::counters),
        entry.replyCounters().map(TrackedFlows::counters),
        instant(entry.startNanos()),
        instant(entry.stopNanos()));
  }

  private static FlowTuple tuple(Tuple tuple) {
    FlowTuple.Detail detail;
    if (tuple.detail() instanceof Tuple.Ports ports) {
      detail = new FlowTuple.Ports(ports.source(), ports.destination());
    } else if (tuple.detail() instanceof Tuple.Icmp icmp) {
      detail = new FlowTuple.Icmp(icmp.type(), icmp.code(), icmp.id());
    } else {
      detail = new FlowTuple.AddressesOnly();
    }
    return new FlowTuple(tuple.protocol(), tuple.source(), tuple.destination(), detail);
  }

  private static FlowCounters counters(Counters counters) {
    return new FlowCounters(counters.packets(), counters.bytes());
  }

  private static Optional<Instant> instant(OptionalLong nanos) {
    return nanos.isPresent()
        ? Optional.of(Instant.ofEpochSecond(0, nanos.getAsLong()))
        : Optional.empty();
  }
}
