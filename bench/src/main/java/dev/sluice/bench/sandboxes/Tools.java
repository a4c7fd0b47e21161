package dev.sluice.bench.sandboxes;

import dev.sluice.bench.Workbench;
import dev.sluice.bench.docker.DockerDaemon;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The programs that are compared. */
final class Tools {
  /** Where Debian puts the plugins. */
  static final String CNI = "/usr/lib/cni";

  private static final String INSTALL =
      "apt-get install -y iproute2 nftables containernetworking-plugins iptables";

  private Tools() {}

  /**
   * Names and versions.
   *
   * @throws IOException if something is missing; the message says how to install it
   */
  static List<String> versions() throws IOException {
    for (String file : List.of(CNI + "/bridge", CNI + "/portmap", CNI + "/host-local")) {
      if (!Files.isExecutable(Path.of(file))) {
        throw missing(file);
      }
    }
    List<String> versions = new ArrayList<>();
    versions.add(version("ip", "-V"));
    // Debian's build of the plugins does not know its own version.
    versions.add(version("dpkg-query", "-W", "containernetworking-plugins").replace('\t', ' '));
    versions.add("its iptables is " + version("iptables", "--version"));
    versions.addAll(DockerDaemon.versions("sandboxes"));
    return versions;
  }

  private static String version(String... command) throws IOException {
    String version = Workbench.firstLine(command);
    if (version.equals("absent")) {
      throw missing(command[0]);
    }
    return version;
  }

  private static IOException missing(String program) {
    return new IOException(
        "sandboxes compares with " + program + ", which is missing; install it with:  " + INSTALL);
  }
}
