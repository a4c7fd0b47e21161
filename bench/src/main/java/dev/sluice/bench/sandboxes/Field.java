package dev.sluice.bench.sandboxes;

import dev.sluice.bench.JavaRuntime;
import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.BenchNamespace;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.OptionalLong;

/** All contenders of a round, started; what they need ends with this. */
final class Field implements AutoCloseable {
  private interface Closing {
    void close() throws IOException;
  }

  private final List<Contender> contenders = new ArrayList<>();
  private final Deque<Closing> closings = new ArrayDeque<>();

  private Field() {}

  static Field start(Workbench workbench, JavaRuntime runtime)
      throws IOException, InterruptedException {
    Field field = new Field();
    try {
      field.fill(workbench, runtime);
      return field;
    } catch (IOException | InterruptedException | RuntimeException e) {
      field.close();
      throw e;
    }
  }

  private void fill(Workbench workbench, JavaRuntime runtime)
      throws IOException, InterruptedException {
    Path directory = Files.createTempDirectory("sluice-bench-sandboxes");
    closings.push(
        () -> {
          try {
            Workbench.output(List.of("rm", "-rf", directory.toString()));
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        });
    // First, so that no wire or rule of a contender is in its copy of anything.
    Docker docker = Docker.start();
    closings.push(docker::close);
    add(new SluiceApi(workbench, runtime));
    add(new SluiceInside(workbench, runtime));
    Path leases = directory.resolve("leases");
    for (Plan plan :
        List.of(Plan.ip(), Plan.ipBatch(), Plan.cni(leases, directory.resolve("xtables.lock")))) {
      BenchNamespace host = BenchNamespace.open();
      closings.push(host::close);
      add(new ToolCycles(workbench, plan, host, leases.resolve("bench"), OptionalLong.empty()));
    }
    OptionalLong daemon = OptionalLong.of(docker.pid());
    for (Plan plan :
        List.of(Plan.dockerRun(docker.socket()), Plan.dockerConnect(docker.socket()))) {
      add(new ToolCycles(workbench, plan, docker.namespace(), leases.resolve("none"), daemon));
    }
  }

  private void add(Contender contender) {
    contenders.add(contender);
    closings.push(contender::close);
  }

  List<Contender> contenders() {
    return contenders;
  }

  /** Closes everything, whatever fails to. */
  @Override
  public void close() throws IOException {
    IOException failure = null;
    for (Closing closing : closings) {
      try {
        closing.close();
      } catch (IOException e) {
        if (failure == null) {
          failure = e;
        } else {
          failure.addSuppressed(e);
        }
      }
    }
    if (failure != null) {
      throw failure;
    }
  }
}
