package dev.sluice.bench.events;

import dev.sluice.bench.agent.BenchNamespace;
import java.io.IOException;

/** Somebody who listens for conntrack events. */
interface Contender {
  /** The processor of everybody but the flood. */
  String PROCESSOR = "1";

  /** The head of its column. */
  String label();

  /** Receive buffer that it is given, as the kernel accounts it; 0 for the one it has by itself. */
  int bufferBytes();

  /** Begins to work in a namespace; what it does once is behind it then. */
  Session open(BenchNamespace namespace) throws IOException, InterruptedException;

  /** At work in a namespace. */
  interface Session extends AutoCloseable {
    /** Listens from now on. */
    Listening listen() throws IOException, InterruptedException;

    @Override
    void close() throws IOException;
  }

  /** Listens. */
  interface Listening {
    /** The process whose processor time counts. */
    long pid();

    /** Stops to listen to this load and tells what there was. */
    Tally end(Flood.Ledger ledger) throws IOException, InterruptedException;
  }
}
