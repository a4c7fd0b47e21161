package dev.sluice.bench.reach;

import dev.sluice.bench.Workbench;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;

/** What one run of bench/native/visit.c measured: for each way a slot of each turn. */
final class Visits {
  private static final double NANOS_PER_SECOND = 1e9;

  /**
   * @param count connections, requests or bytes
   * @param nanos that they took
   * @param ownNanos processor time of client and server, and of the kernel on their behalf
   * @param carrierNanos processor time of the way's process
   */
  record Slot(long count, long nanos, long ownNanos, long carrierNanos) {
    double perSecond() {
      return count * NANOS_PER_SECOND / nanos;
    }

    double perProcessorSecond() {
      return count * NANOS_PER_SECOND / ownNanos;
    }
  }

  private final Map<Way, List<Slot>> slots = new LinkedHashMap<>();

  private Visits() {}

  /**
   * Goes all ways in turns.
   *
   * @param options of visit, and what to do there
   */
  static Visits run(Workbench workbench, List<String> options, List<Way> ways)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(workbench.nativeDirectory().resolve("visit").toString());
    command.addAll(options);
    ways.forEach(way -> command.add(way.argument()));
    Visits visits = new Visits();
    ways.forEach(way -> visits.slots.put(way, new ArrayList<>()));
    for (String line : Workbench.output(command).lines().toList()) {
      long[] numbers = Arrays.stream(line.split(" ", -1)).mapToLong(Long::parseLong).toArray();
      Way way = ways.get((int) numbers[1]);
      visits.of(way).add(new Slot(numbers[2], numbers[3], numbers[4], numbers[5]));
    }
    return visits;
  }

  private List<Slot> of(Way way) {
    List<Slot> found = slots.get(way);
    if (found == null) {
      throw new IllegalArgumentException("nobody went this way: " + way.label());
    }
    return found;
  }

  /** The ways, in the order in which they were given. */
  List<Way> ways() {
    return List.copyOf(slots.keySet());
  }

  /** The median over the turns. */
  double median(Way way, ToDoubleFunction<Slot> value) {
    return median(of(way).stream().mapToDouble(value).toArray());
  }

  /** The median over the turns of what a way's value is of another's in the same turn. */
  double ratio(Way way, Way other, ToDoubleFunction<Slot> value) {
    List<Slot> these = of(way);
    List<Slot> those = of(other);
    return median(
        IntStream.range(0, these.size())
            .mapToDouble(
                turn -> value.applyAsDouble(these.get(turn)) / value.applyAsDouble(those.get(turn)))
            .toArray());
  }

  private static double median(double[] values) {
    Arrays.sort(values);
    int middle = values.length / 2;
    return values.length % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  }
}
