package dev.sluice.conntrack;

import java.util.function.Consumer;

/** Reads the entries of the table of connections, a piece at a time. */
public interface EntryReader extends AutoCloseable {
  /**
   * Hands over the next entries, a few hundred at most, each valid during the call only.
   *
   * @return whether there may be more
   * @throws DumpFailedException if the kernel ended the dump
   */
  boolean read(Consumer<FlowRecord> consumer);

  /** Entries that could not be decoded and were left out, so far. */
  int malformed();

  /** Ends the dump, wherever it is. Does nothing the second time. */
  @Override
  void close();
}
