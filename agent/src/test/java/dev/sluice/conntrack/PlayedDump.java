package dev.sluice.conntrack;

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.function.Consumer;

/** A dump played in Java: hands over the given entries, one a piece. */
public final class PlayedDump implements EntryReader {
  private final Deque<FlowRecord> entries;

  /**
   * @param entries records of kind ENTRY
   */
  public PlayedDump(FlowRecord... entries) {
    this.entries = new ArrayDeque<>(Arrays.asList(entries));
  }

  @Override
  public boolean read(Consumer<FlowRecord> consumer) {
    FlowRecord next = entries.poll();
    if (next == null) {
      return false;
    }
    consumer.accept(next);
    return true;
  }

  @Override
  public int malformed() {
    return 0;
  }

  @Override
  public void close() {
    entries.clear();
  }
}
