package dev.sluice.ruleset;

import dev.sluice.model.FlowCounters;
import dev.sluice.model.MappingId;
import dev.sluice.model.Traffic;
import dev.sluice.net.Bytes;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.expr.Counter;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What mappings have carried, as elements of a set that no rule looks up: the key is the mapping's
 * id and a direction, 0 to the container and 1 back, the counter holds the sums.
 */
final class TrafficCodec {
  private static final int IN = 0;
  private static final int OUT = 1;

  private TrafficCodec() {}

  static List<SetElement> elements(MappingId id, Traffic traffic) {
    return List.of(
        key(id, IN).with(new Counter(traffic.in().packets(), traffic.in().bytes())),
        key(id, OUT).with(new Counter(traffic.out().packets(), traffic.out().bytes())));
  }

  static List<SetElement> keys(MappingId id) {
    return List.of(key(id, IN), key(id, OUT));
  }

  private static SetElement key(MappingId id, int direction) {
    ByteBuffer key = ByteBuffer.allocate(Long.BYTES + Integer.BYTES);
    return SetElement.of(Bytes.of(key.putLong(id.bits()).putInt(direction).array()));
  }

  static Map<MappingId, Traffic> read(List<SetElement> elements) {
    Map<MappingId, Traffic> traffic = new HashMap<>();
    for (SetElement element : elements) {
      Optional<Counter> counter = element.counter();
      if (counter.isPresent() && element.key().length() == Long.BYTES + Integer.BYTES) {
        ByteBuffer key = ByteBuffer.wrap(element.key().toArray());
        FlowCounters counted = new FlowCounters(counter.get().packets(), counter.get().bytes());
        FlowCounters none = Traffic.NONE.in();
        traffic.merge(
            new MappingId(key.getLong()),
            key.getInt() == IN ? new Traffic(counted, none) : new Traffic(none, counted),
            Traffic::plus);
      }
    }
    return traffic;
  }

  /** The elements of all that carried something. */
  static List<SetElement> elements(Map<MappingId, Traffic> traffic) {
    List<SetElement> elements = new ArrayList<>(2 * traffic.size());
    traffic.forEach(
        (id, sums) -> {
          if (!sums.equals(Traffic.NONE)) {
            elements.addAll(elements(id, sums));
          }
        });
    return elements;
  }
}
