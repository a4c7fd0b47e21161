package dev.sluice.bench.sandboxes;

import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.BenchNamespace;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

/** A {@link Plan} at work: timed by bench/native/cycles.c. */
final class ToolCycles implements Contender {
  private static final int WARM_UP = 4;

  private final Workbench workbench;
  private final Plan plan;
  private final BenchNamespace namespace;
  private final Path planFile;
  private final Path keeps;
  private final OptionalLong server;
  private int next;

  /**
   * @param namespace the host
   * @param keeps a directory in which it keeps files of what is alive
   * @param server the process whose descriptors count, if there is one
   */
  ToolCycles(
      Workbench workbench, Plan plan, BenchNamespace namespace, Path keeps, OptionalLong server)
      throws IOException, InterruptedException {
    this.workbench = workbench;
    this.plan = plan;
    this.namespace = namespace;
    this.keeps = keeps;
    this.server = server;
    planFile = Files.createTempFile("sluice-bench-plan", "");
    Files.writeString(planFile, plan.text());
    Workbench.output(namespace.inside(List.of("sh", "-ec", plan.setup())));
  }

  @Override
  public String label() {
    return plan.label();
  }

  @Override
  public int cycles() {
    return plan.cycles();
  }

  @Override
  public int warmUp() {
    return WARM_UP;
  }

  @Override
  public boolean isWhole() {
    return plan.isWhole();
  }

  @Override
  public List<Cycle> run(int count, int hands) throws IOException, InterruptedException {
    List<String> command =
        List.of(
            workbench.nativeDirectory().resolve("cycles").toString(),
            "-n",
            "" + count,
            "-j",
            "" + hands,
            "-f",
            "" + next,
            planFile.toString());
    next += count;
    return Cycle.parseAll(Workbench.output(namespace.inside(command)).lines().toList());
  }

  @Override
  public List<String> remains() throws IOException, InterruptedException {
    List<String> all = new ArrayList<>(Remains.of(namespace.path()));
    all.addAll(Remains.files(keeps, "10."));
    return all;
  }

  @Override
  public long descriptors() throws IOException {
    return server.isPresent() ? Remains.descriptorsOf(server.getAsLong()) : 0;
  }

  @Override
  public void close() throws IOException {
    Files.delete(planFile);
  }
}
