package dev.sluice.bench.clients;

import dev.sluice.bench.Figures;
import dev.sluice.bench.Workbench;
import dev.sluice.bench.peers.Tool;
import dev.sluice.bench.peers.ToolRuns;
import java.io.IOException;
import java.nio.file.Path;

/** CNI's own port mapper. */
final class PortmapRuns implements Client {
  private static final double NANOS_PER_MILLI = 1e6;

  private final ToolRuns portmap;
  private int present;

  /**
   * @param directory for iptables' lock
   */
  PortmapRuns(Workbench workbench, Path directory) {
    portmap = new ToolRuns(workbench, Tool.cniPortmap(), directory);
  }

  @Override
  public void load(int wanted) {
    present = wanted;
  }

  @Override
  public void turn(String subject, Figures figures) throws IOException, InterruptedException {
    try {
      portmap.load(present);
      double millis = portmap.add().spread().medianNanos() / NANOS_PER_MILLI;
      figures.add(subject, ClientsCost.ONE_PORT, portmap.label(), "ms", millis);
    } finally {
      portmap.clear();
    }
  }

  @Override
  public void close() {
    portmap.clear();
  }
}
