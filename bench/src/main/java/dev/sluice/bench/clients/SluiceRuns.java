package dev.sluice.bench.clients;

import dev.sluice.bench.Figures;
import dev.sluice.bench.JavaRuntime;
import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.AgentProcess;
import dev.sluice.bench.agent.BenchNamespace;
import dev.sluice.bench.agent.Spread;
import dev.sluice.bench.peers.Tool;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Sluice through its CNI plugin, its command, and its API. */
final class SluiceRuns implements Client {
  private static final double NANOS_PER_MILLI = 1e6;
  private static final int PORT = 50_000;
  private static final int CNI_RUNS = 100;
  private static final int CALLS = 100;
  private static final int COMMANDS = 3;
  private static final int WARM_UP = 5;
  private static final String NAME = "measured";

  private final Workbench workbench;
  private final JavaRuntime runtime;
  private final SluiceMappings sluice;
  private final Path plugin;
  private final Path configuration;

  SluiceRuns(Workbench workbench, JavaRuntime runtime, SluiceMappings sluice, Path directory)
      throws IOException, InterruptedException {
    this.workbench = workbench;
    this.runtime = runtime;
    this.sluice = sluice;
    // It knows by its name which plugin it is.
    plugin = directory.resolve("sluice");
    Files.copy(workbench.home().resolve("../native/build/sluice-cni").normalize(), plugin);
    configuration = directory.resolve("configuration");
    Files.writeString(configuration, Tool.cniConfiguration("sluice"));
    for (int i = 0; i < WARM_UP; i++) {
      cni();
      api();
    }
  }

  @Override
  public void load(int wanted) {
    sluice.load(wanted);
  }

  @Override
  public void turn(String subject, Figures figures) throws IOException, InterruptedException {
    add(subject, "Sluice, CNI", cni(), figures);
    add(subject, "Sluice, API", api(), figures);
    add(subject, "sluice publish", command(), figures);
  }

  private static void add(String subject, String label, long[] nanos, Figures figures) {
    double millis = Spread.of(nanos).medianNanos() / NANOS_PER_MILLI;
    figures.add(subject, ClientsCost.ONE_PORT, label, "ms", millis);
  }

  private long[] cni() throws IOException, InterruptedException {
    long[] added = cni("ADD");
    cni("DEL");
    return added;
  }

  private long[] cni(String verb) throws IOException, InterruptedException {
    List<String> options = new ArrayList<>(List.of("-n", "" + CNI_RUNS, "-p", "" + PORT));
    options.addAll(List.of("-i", configuration.toString()));
    List<String> environment = new ArrayList<>(Tool.cniEnvironment(verb, plugin));
    environment.add("SLUICE_SOCKET=" + sluice.agent().socket());
    environment.forEach(variable -> options.addAll(List.of("-e", variable)));
    return Workbench.nanos(workbench.timed(options, List.of(plugin.toString())));
  }

  private long[] api() {
    long[] nanos = new long[CALLS];
    for (int i = 0; i < CALLS; i++) {
      List<String> port = List.of(PORT + i + ":80");
      long begin = System.nanoTime();
      sluice.client().publish(port, BenchNamespace.TARGET, Optional.of(NAME));
      nanos[i] = System.nanoTime() - begin;
    }
    sluice.client().unpublish(NAME);
    return nanos;
  }

  private long[] command() throws IOException, InterruptedException {
    List<String> publish =
        AgentProcess.sluice(
            workbench,
            runtime,
            "--socket",
            sluice.agent().socket().toString(),
            "publish",
            "-p",
            "{port}:80",
            "--to",
            BenchNamespace.TARGET,
            "--name",
            NAME);
    List<String> options = List.of("-n", "" + COMMANDS, "-p", "" + PORT);
    long[] nanos = Workbench.nanos(workbench.timed(options, publish));
    sluice.client().unpublish(NAME);
    return nanos;
  }

  @Override
  public void close() throws IOException {
    sluice.close();
    Files.delete(plugin);
    Files.delete(configuration);
  }
}
