package dev.sluice.bench.peers;

import dev.sluice.bench.JavaRuntime;
import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.ProbeProcess;
import java.io.IOException;
import java.util.OptionalLong;

/** The inside of a warm agent: no API in between. */
final class SluiceInside implements Contender, AutoCloseable {
  private static final int SAMPLES = 1_000;
  private static final int WARM_UP = 5_000;
  private static final int WARM_UP_LOADS = 2;
  private static final int WARM_UP_LOAD = 10_000;

  private final ProbeProcess probe;

  private SluiceInside(ProbeProcess probe) {
    this.probe = probe;
  }

  static SluiceInside start(Workbench workbench, JavaRuntime runtime)
      throws IOException, InterruptedException {
    SluiceInside inside = new SluiceInside(ProbeProcess.start(workbench, runtime));
    inside.probe.ask("publish " + WARM_UP);
    for (int i = 0; i < WARM_UP_LOADS; i++) {
      inside.load(WARM_UP_LOAD);
      inside.clear();
    }
    return inside;
  }

  @Override
  public String label() {
    return "Sluice, inside";
  }

  @Override
  public int most() {
    return Integer.MAX_VALUE;
  }

  @Override
  public OptionalLong load(int mappings) throws IOException, InterruptedException {
    return mappings == 0
        ? OptionalLong.empty()
        : OptionalLong.of(Long.parseLong(probe.ask("load " + mappings)));
  }

  @Override
  public Timings add() throws IOException, InterruptedException {
    return new Timings(probe.measure("publish " + SAMPLES), SAMPLES);
  }

  @Override
  public void clear() throws IOException, InterruptedException {
    probe.ask("clear 0");
  }

  @Override
  public void close() {
    probe.close();
  }
}
