package dev.sluice.bench.sandboxes;

import dev.sluice.bench.Workbench;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The programs that are compared. */
final class Tools {
  /** Where Debian puts the plugins. */
  static final String CNI = "/usr/lib/cni";

  /** That of the daemon's package: a newer one may come first in PATH. */
  static final String DOCKER = "/usr/bin/docker";

  /** All a container needs, without libraries. */
  static final Path BUSYBOX = Path.of("/bin/busybox");

  private static final String INSTALL =
      "apt-get install -y iproute2 nftables containernetworking-plugins iptables docker.io"
          + " busybox-static";

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
    if (!Files.isExecutable(BUSYBOX)) {
      throw missing(BUSYBOX.toString());
    }
    List<String> versions = new ArrayList<>();
    versions.add(version("ip", "-V"));
    // Debian's build of the plugins does not know its own version.
    versions.add(version("dpkg-query", "-W", "containernetworking-plugins").replace('\t', ' '));
    versions.add("its iptables is " + version("iptables", "--version"));
    versions.add("dockerd: " + version("dockerd", "--version"));
    versions.add("its client: " + version(DOCKER, "--version"));
    versions.add(version("runc", "--version"));
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
