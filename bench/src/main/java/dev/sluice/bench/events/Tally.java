package dev.sluice.bench.events;

import java.util.OptionalDouble;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What a listener had of one load.
 *
 * @param received events that it saw happen
 * @param endsMissing ends of flows that it knows nothing of, given how many there were; empty if it
 *     cannot be told
 * @param admitted events that it says are missing; empty if it says nothing
 * @param jumps places where the numbers of its events do not continue
 * @param evictions times the consumer was too slow and had to come back
 * @param medianMicros from the event in the kernel to its reader; empty if the event's time is not
 *     in what is read
 * @param p99Micros the same, for 99 % of them
 */
record Tally(
    long received,
    OptionalLong endsMissing,
    OptionalLong admitted,
    long jumps,
    long evictions,
    OptionalDouble medianMicros,
    OptionalDouble p99Micros) {

  /**
   * Reads what the programs in bench/native print (tally.h).
   *
   * @param admits whether what they call lost is all that is missing
   */
  static Tally parse(String line, Flood.Ledger ledger, boolean admits) {
    JsonNode counts = new JsonMapper().readTree(line);
    long received =
        counts.get("new").asLong() + counts.get("update").asLong() + counts.get("destroy").asLong();
    long ends = counts.get("destroy").asLong() + counts.get("synthesised_destroy").asLong();
    return new Tally(
        received,
        OptionalLong.of(ledger.ends() - ends),
        admits ? OptionalLong.of(counts.get("lost").asLong()) : OptionalLong.empty(),
        counts.get("jumps").asLong(),
        counts.get("reconnects").asLong(),
        micros(counts.get("p50_us")),
        micros(counts.get("p99_us")));
  }

  private static OptionalDouble micros(@Nullable JsonNode value) {
    return value == null ? OptionalDouble.empty() : OptionalDouble.of(value.asDouble());
  }
}
