package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.testing.Lab;
import dev.sluice.testing.Ran;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;
import org.junit.jupiter.api.io.TempDir;

/** A real podman whose containers get their ports, or their network too, through our plugins. */
@TestInstance(Lifecycle.PER_CLASS)
class PodmanIT {
  private static final Path REAL_PLUGINS = Path.of("/usr/lib/cni");

  private static final Duration LIMIT = Duration.ofSeconds(10);

  private final Lab lab = Lab.builder().containers(0).agentWillConfigureHost().noServers().build();
  private Path directory;
  private BareAgent agent;

  @BeforeAll
  void start(@TempDir Path temporary) throws IOException {
    directory = temporary;
    agent = BareAgent.start(lab.host(), directory);
    Path plugins = Files.createDirectories(directory.resolve("plugins"));
    Path programs = Files.createDirectories(directory.resolve("programs"));
    Path client = Path.of(System.getProperty("sluice.native.dir"), "sluice-cni").toAbsolutePath();
    for (String name : List.of("sluice", "sluice-bridge")) {
      Path program = Files.copy(client, programs.resolve(name));
      // What cleans up behind a container does not get the environment podman was called in.
      Path script = plugins.resolve(name);
      Files.writeString(
          script,
          "#!/bin/sh\nexport SLUICE_SOCKET=%s\nexec %s\n"
              .formatted(directory.resolve("sluice.sock"), program));
      Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwxr-xr-x"));
    }
    for (String name : List.of("bridge", "host-local")) {
      Files.createSymbolicLink(plugins.resolve(name), REAL_PLUGINS.resolve(name));
    }
    Path networks = Files.createDirectories(directory.resolve("net.d"));
    String ports = "{\"type\":\"sluice\",\"capabilities\":{\"portMappings\":true}}";
    Files.writeString(
        networks.resolve("real.conflist"),
        "{\"cniVersion\":\"1.0.0\",\"name\":\"real\",\"plugins\":[{\"type\":\"bridge\","
            + "\"bridge\":\"cni0\",\"isGateway\":true,\"ipMasq\":true,\"ipam\":{\"type\":"
            + "\"host-local\",\"dataDir\":\""
            + directory.resolve("ipam")
            + "\",\"ranges\":[[{\"subnet\":\"10.89.0.0/24\"}]],"
            + "\"routes\":[{\"dst\":\"0.0.0.0/0\"}]}},"
            + ports
            + "]}");
    Files.writeString(
        networks.resolve("own.conflist"),
        "{\"cniVersion\":\"1.0.0\",\"name\":\"own\",\"plugins\":[{\"type\":\"sluice-bridge\","
            + "\"subnets\":[{\"subnet\":\"10.90.0.0/24\"}]},"
            + ports
            + "]}");
    // Sluice holds the ports. Limits are those of every machine that tests run on.
    Files.writeString(
        directory.resolve("containers.conf"),
        """
        [network]
        network_backend="cni"
        cni_plugin_dirs=["%s"]
        network_config_dir="%s"
        default_network="real"
        [engine]
        cgroup_manager="cgroupfs"
        events_logger="none"
        runtime="runc"
        enable_port_reservation=false
        [containers]
        default_ulimits=["nofile=1024:1024","nproc=1024:1024"]
        log_driver="k8s-file"
        """
            .formatted(plugins, networks));
    Path image = directory.resolve("image");
    Path bin = Files.createDirectories(image.resolve("bin"));
    Files.copy(Path.of("/bin/busybox"), bin.resolve("busybox"));
    Path pages = Files.createDirectories(image.resolve("www"));
    Files.writeString(pages.resolve("index.html"), "hello\n");
    Ran.run("tar", "-C", image.toString(), "-cf", directory + "/image.tar", ".").orFail();
    podman("import", directory + "/image.tar", "web:1").orFail();
  }

  @AfterAll
  void stop() {
    podman("rm", "-f", "-a", "-t", "0");
    agent.close();
    lab.close();
  }

  /** Not by {@code ip netns exec}, in whose /sys there are no control groups. */
  private Ran podman(String... arguments) {
    List<String> command =
        new ArrayList<>(
            List.of(
                "nsenter",
                "--net=" + lab.host().path(),
                "env",
                "CONTAINERS_CONF=" + directory.resolve("containers.conf"),
                "podman",
                "--root",
                directory.resolve("root").toString(),
                "--runroot",
                directory.resolve("runroot").toString(),
                "--tmpdir",
                directory.resolve("tmp").toString(),
                "--storage-driver",
                "vfs"));
    command.addAll(List.of(arguments));
    return Ran.run("", command);
  }

  private Ran run(String name, String network, String port) {
    return podman(
        "run",
        "-d",
        "--name",
        name,
        "--network",
        network,
        "-p",
        port,
        "--security-opt",
        "seccomp=unconfined",
        "--security-opt",
        "apparmor=unconfined",
        "web:1",
        "/bin/busybox",
        "httpd",
        "-f",
        "-p",
        "80",
        "-h",
        "/www");
  }

  private String page(int port) {
    // The server inside may be a moment later than its container.
    return lab.client()
        .exec(
            "curl",
            "-s",
            "--retry-connrefused",
            "--retry",
            "20",
            "--retry-delay",
            "0",
            "-m",
            "10",
            "http://" + Lab.HOST + ":" + port + "/")
        .stdout()
        .strip();
  }

  /** Podman may still be at the end of a container when it says that it has removed it. */
  private void nothingIsPublished() {
    long deadlineNanos = System.nanoTime() + LIMIT.toNanos();
    while (!agent.api().published().value().isEmpty() && System.nanoTime() < deadlineNanos) {
      BareAgent.pause();
    }
    assertThat(agent.api().published().value()).isEmpty();
  }

  /** Fails if podman's containers get no ports, keep them, or our error does not reach its user. */
  @Test
  void containersArePublished() {
    run("web", "real", "8080:80").orFail();
    assertThat(page(8080)).isEqualTo("hello");
    assertThat(podman("port", "web").orFail().stdout()).contains("80/tcp -> 0.0.0.0:8080");
    Ran second = run("second", "real", "8080:80");
    assertThat(second.exitCode()).isNotZero();
    assertThat(second.stderr()).contains("port 8080/tcp on 0.0.0.0 is taken");
    podman("rm", "-f", "-t", "0", "web", "second").orFail();
    nothingIsPublished();
  }

  /**
   * Fails if podman does not take the network we make, or a container's end waits for the agent.
   */
  @Test
  void networksCanBeOurs() {
    run("own", "own", "8081:80").orFail();
    assertThat(page(8081)).isEqualTo("hello");
    agent.kill();
    assertThat(page(8081)).isEqualTo("hello");
    podman("rm", "-f", "-t", "0", "own").orFail();
    agent = BareAgent.start(lab.host(), directory);
    nothingIsPublished();
    assertThat(agent.api().network("own").json()).doesNotContain("10.90.0.2");
    agent.api().removeNetwork("own");
  }
}
