package dev.sluice.network.names;

import java.util.concurrent.atomic.LongAdder;

/** The counters behind {@link ResponderStatistics}. */
final class Counters {
  final LongAdder queries = new LongAdder();
  final LongAdder answered = new LongAdder();
  final LongAdder forwarded = new LongAdder();
  final LongAdder dropped = new LongAdder();
  final LongAdder failed = new LongAdder();

  ResponderStatistics read() {
    return new ResponderStatistics(
        queries.sum(), answered.sum(), forwarded.sum(), dropped.sum(), failed.sum());
  }
}
