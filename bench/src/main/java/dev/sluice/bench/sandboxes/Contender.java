package dev.sluice.bench.sandboxes;

import java.io.IOException;
import java.util.List;

/** Somebody who lets sandboxes join a network and leave it, at work in a namespace of its own. */
interface Contender extends AutoCloseable {
  /** What the names of all namespaces that are made here begin with. */
  String NAMESPACES = "slbench-";

  /** The head of its column. */
  String label();

  /** How many cycles it is asked for in a round, alone and in parallel each. */
  int cycles();

  /** How many it needs to be as quick as it gets. */
  int warmUp();

  /**
   * Whether its cycles begin without and end without a namespace; else they only join and leave.
   */
  boolean isWhole();

  /**
   * Runs {@code count} cycles, shared by as many hands at once.
   *
   * @throws IOException if one of them fails; the message says why
   */
  List<Cycle> run(int count, int hands) throws IOException, InterruptedException;

  /** What there is that a cycle could leave behind, one thing a line. */
  List<String> remains() throws IOException, InterruptedException;

  /** Open files of the process that serves it; 0 where there is none that stays. */
  long descriptors() throws IOException;

  @Override
  void close() throws IOException;
}
