package dev.sluice.bench.reach;

import dev.sluice.bench.Workbench;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** The programs of others. */
final class Tools {
  /** Where docker.io has it. */
  static final Path DOCKER_PROXY = Path.of("/usr/sbin/docker-proxy");

  private Tools() {}

  /**
   * Names and versions of both iptables.
   *
   * @throws IOException if one is missing; the message says how to install it
   */
  static List<String> iptables(String benchmark) throws IOException {
    String legacy = Workbench.firstLine("iptables-legacy", "--version");
    String nft = Workbench.firstLine("iptables-nft", "--version");
    if (legacy.equals("absent") || nft.equals("absent")) {
      throw missing(benchmark, "iptables-legacy and iptables-nft", "iptables");
    }
    return List.of(legacy, nft);
  }

  /**
   * Name and version of the package of docker-proxy, which does not know its own.
   *
   * @throws IOException if it is missing; the message says how to install it
   */
  static String dockerProxy(String benchmark) throws IOException {
    if (!Files.isExecutable(DOCKER_PROXY)) {
      throw missing(benchmark, DOCKER_PROXY.toString(), "docker.io");
    }
    String version = Workbench.firstLine("dpkg-query", "-W", "docker.io");
    return version.equals("absent")
        ? DOCKER_PROXY + ", of no package"
        : "docker-proxy of " + version.replace('\t', ' ');
  }

  private static IOException missing(String benchmark, String program, String debianPackage) {
    return new IOException(
        "%s compares with %s, which is missing; install it with:  apt-get install -y %s"
            .formatted(benchmark, program, debianPackage));
  }
}
