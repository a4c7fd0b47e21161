package dev.sluice.bench.clients;

import dev.sluice.bench.Figures;
import java.io.IOException;

/** Somebody through whom ports are published, on a host of its own. */
interface Client extends AutoCloseable {
  /** Sees to it that so many ports are published beforehand; never fewer than before. */
  void load(int present) throws IOException, InterruptedException;

  /** Publishes more, takes them back, and notes what it took. */
  void turn(String subject, Figures figures) throws IOException, InterruptedException;

  @Override
  void close() throws IOException;
}
