package dev.sluice.testing;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * The engine of the tests is a real one, survives its daemon, and leaves nothing behind.
 *
 * <p>Fails if {@link DockerEngine#close} forgets the control groups or the files, or if its daemon
 * starts in namespaces of its own each time.
 */
final class DockerEngineIT {

  @Test
  void containersOutliveAKilledDaemonAndEndWithTheEngine() throws IOException {
    try (Netns host = Netns.create("host")) {
      Path directory;
      try (DockerEngine engine = DockerEngine.in(host, "--live-restore", "--iptables=false")) {
        directory = engine.socket().getParent();
        engine.docker("run", "-d", "--name", "web", DockerEngine.IMAGE);
        String pid = engine.inspect("web", "{{.State.Pid}}");
        engine.kill();
        engine.start("--live-restore", "--iptables=false");
        assertThat(engine.inspect("web", "{{.State.Pid}} {{.State.Running}}"))
            .isEqualTo(pid + " true");
        String address = engine.inspect("web", "{{.NetworkSettings.IPAddress}}");
        assertThat(host.exec("curl", "-s", "http://" + address).stdout()).isEqualTo("hello\n");
        engine.traffic("web").serve("web", "8080", "");
        assertThat(host.traffic().tcp(address, 8080).server()).isEqualTo("web:8080");
      }
      assertThat(directory).doesNotExist();
      assertThat(groupsOf(host)).isEmpty();
      assertThat(host.exec("ip", "-br", "link", "show", "type", "veth").stdout()).isEmpty();
    }
  }

  private static List<Path> groupsOf(Netns host) throws IOException {
    try (Stream<Path> all = Files.walk(Path.of("/sys/fs/cgroup"), 2)) {
      return all.filter(path -> path.endsWith(host.name())).toList();
    }
  }
}
