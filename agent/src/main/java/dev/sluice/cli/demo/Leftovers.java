package dev.sluice.cli.demo;

import dev.sluice.route.NamedNamespaces;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * What a demo leaves that was itself killed with SIGKILL. The names hold the process id of their
 * demo, so the next one can tell.
 */
final class Leftovers {
  static final Path RUN = Path.of("/run");
  private static final String PREFIX = "sluice-demo-";
  private static final Pattern NAME = Pattern.compile(PREFIX + "(\\d+)(-.*)?");

  private Leftovers() {}

  /** What the names of this process begin with. */
  static String ownPrefix() {
    return PREFIX + ProcessHandle.current().pid();
  }

  /** Takes away what belongs to demos that are no more. */
  static void remove() throws IOException, InterruptedException {
    List<Path> directories;
    try (Stream<Path> files = Files.list(RUN)) {
      directories = files.filter(Leftovers::isOrphan).toList();
    }
    for (Path directory : directories) {
      endAgent(directory);
      new PrivateDirectory(directory).close();
    }
    NamedNamespaces namespaces = NamedNamespaces.system();
    for (String name : namespaces.list()) {
      if (isOrphan(Path.of(name))) {
        namespaces.delete(name);
      }
    }
  }

  private static void endAgent(Path directory) throws InterruptedException {
    String socket = directory.resolve("sluice.sock").toString();
    for (ProcessHandle process : ProcessHandle.allProcesses().toList()) {
      boolean isAgent =
          process.info().arguments().map(Arrays::asList).orElse(List.of()).contains(socket);
      if (isAgent && process.destroyForcibly()) {
        try {
          process.onExit().get(5, TimeUnit.SECONDS);
        } catch (ExecutionException | TimeoutException e) {
          throw new DemoFailure("process " + process.pid() + " of an earlier demo does not die", e);
        }
      }
    }
  }

  private static boolean isOrphan(Path path) {
    Matcher name = NAME.matcher(String.valueOf(path.getFileName()));
    return name.matches() && ProcessHandle.of(Long.parseLong(name.group(1))).isEmpty();
  }
}
