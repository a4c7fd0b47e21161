package dev.sluice.bench.peers;

import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.BenchNamespace;
import dev.sluice.bench.agent.Spread;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/** A {@link Tool} at work: timed by bench/native/timed.c, in a namespace for each load. */
public final class ToolRuns implements Contender {
  private static final int SAMPLES = 100;
  private static final int SAMPLES_AT_LEAST = 3;
  private static final int SAMPLING_MILLIS = 3_000;

  private final Workbench workbench;
  private final Tool tool;

  /** iptables' lock is one for the whole machine: not this one. */
  private final Path lock;

  private @Nullable BenchNamespace namespace;

  /**
   * @param directory for files of its own
   */
  public ToolRuns(Workbench workbench, Tool tool, Path directory) {
    this.workbench = workbench;
    this.tool = tool;
    this.lock = directory.resolve("xtables.lock");
  }

  @Override
  public String label() {
    return tool.label();
  }

  @Override
  public int most() {
    return tool.most();
  }

  @Override
  public OptionalLong load(int mappings) throws IOException, InterruptedException {
    namespace = BenchNamespace.open();
    Workbench.output(
        namespace.inside(List.of("env", "XTABLES_LOCKFILE=" + lock, "sh", "-ec", tool.setup())));
    if (mappings == 0) {
      return OptionalLong.empty();
    }
    long nanos = timed(List.of(), tool.loadText().apply(mappings), tool.load())[0];
    return tool.loadIsItsOwn() ? OptionalLong.of(nanos) : OptionalLong.empty();
  }

  @Override
  public Timings add() throws IOException, InterruptedException {
    List<String> options = new ArrayList<>();
    options.addAll(List.of("-n", "" + SAMPLES, "-m", "" + SAMPLES_AT_LEAST));
    options.addAll(List.of("-l", "" + SAMPLING_MILLIS, "-p", "" + SluiceApi.SAMPLE_PORT));
    tool.environment().forEach(variable -> options.addAll(List.of("-e", variable)));
    long[] nanos = timed(options, tool.addInput(), tool.add());
    return new Timings(Spread.of(nanos), nanos.length);
  }

  private long[] timed(List<String> options, String input, List<String> program)
      throws IOException, InterruptedException {
    if (namespace == null) {
      throw new IllegalStateException("nothing is loaded");
    }
    Path file = Files.createTempFile("sluice-bench-input", "");
    try {
      Files.writeString(file, input);
      List<String> all = new ArrayList<>(options);
      all.addAll(List.of("-e", "XTABLES_LOCKFILE=" + lock, "-i", file.toString()));
      return Workbench.nanos(namespace.inside(workbench.timed(all, program)));
    } finally {
      Files.delete(file);
    }
  }

  @Override
  public void clear() {
    if (namespace != null) {
      namespace.close();
      namespace = null;
    }
  }
}
