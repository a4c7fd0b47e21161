package dev.sluice.bench.sandboxes;

import dev.sluice.bench.Workbench;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** What cycles could leave behind. */
final class Remains {
  /**
   * Links by number and name, addresses, routes, and all rules and elements without their counters.
   */
  private static final String LIST =
      """
      ip -o link | cut -d: -f1,2
      ip -o -4 address
      ip -4 route show table all | sed 's/ linkdown//'
      nft -s list ruleset
      """;

  private Remains() {}

  /**
   * In a namespace that stands for a host, and beside it.
   *
   * @param namespace the file of it
   */
  static List<String> of(String namespace) throws IOException, InterruptedException {
    List<String> all =
        new ArrayList<>(
            Workbench.output(List.of("nsenter", "--net=" + namespace, "--", "sh", "-ec", LIST))
                .lines()
                .toList());
    all.addAll(files(Path.of("/run/netns"), Contender.NAMESPACES));
    return all;
  }

  /** The files of a directory whose names begin like that; none if there is no directory. */
  static List<String> files(Path directory, String prefix) throws IOException {
    if (!Files.isDirectory(directory)) {
      return List.of();
    }
    try (Stream<Path> files = Files.list(directory)) {
      return files
          .filter(file -> String.valueOf(file.getFileName()).startsWith(prefix))
          .map(Path::toString)
          .sorted()
          .toList();
    }
  }

  static long descriptorsOf(long pid) throws IOException {
    try (Stream<Path> files = Files.list(Path.of("/proc", "" + pid, "fd"))) {
      return files.count();
    }
  }
}
