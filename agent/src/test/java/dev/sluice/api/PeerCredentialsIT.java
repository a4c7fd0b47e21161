package dev.sluice.api;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.testing.Ran;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;

/**
 * Who may use the API, with real other users; needs root. The file modes are opened here on
 * purpose, so that what refuses is the check of the peer's credentials alone.
 */
class PeerCredentialsIT {
  /** A group that every Debian has, with a number that nobody is in by default. */
  private static final String GROUP = "staff";

  private static final int GROUP_ID = 50;

  private static final String ASK =
      """
      import socket, sys
      s = socket.socket(socket.AF_UNIX)
      s.connect(sys.argv[1])
      s.sendall(b"GET /healthz HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
      while True:
          data = s.recv(65536)
          if not data: break
          sys.stdout.write(data.decode())
      """;

  private static String askAs(String... identity) throws IOException {
    // Not a @TempDir: that one only root may enter.
    Path directory = Files.createTempDirectory(Path.of("/tmp"), "slt-");
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
    Path socket = directory.resolve("a.sock");
    ApiOptions defaults = ApiOptions.DEFAULTS;
    ApiOptions options =
        new ApiOptions(
            GROUP,
            defaults.maxConnections(),
            defaults.maxConnectionsPerUid(),
            defaults.maxEventStreams(),
            defaults.maxBodyBytes(),
            defaults.requestTimeoutMillis(),
            defaults.streamTimeoutMillis());
    try (ApiServer server = ApiServer.start(socket, new FakeAgent().services(), options)) {
      Files.setPosixFilePermissions(server.socket(), PosixFilePermissions.fromString("rw-rw-rw-"));
      String[] command = new String[identity.length + 6];
      command[0] = "setpriv";
      System.arraycopy(identity, 0, command, 1, identity.length);
      command[identity.length + 1] = "--";
      command[identity.length + 2] = "/usr/bin/python3";
      command[identity.length + 3] = "-c";
      command[identity.length + 4] = ASK;
      command[identity.length + 5] = socket.toString();
      return Ran.run(command).orFail().stdout();
    } finally {
      Files.deleteIfExists(directory.resolve("a.sock.lock"));
      Files.delete(directory);
    }
  }

  /** Fails if the check of the peer is removed. */
  @Test
  void refuses_a_stranger() throws IOException {
    assertThat(askAs("--reuid=65534", "--regid=65534", "--clear-groups"))
        .startsWith("HTTP/1.1 403 ")
        .contains("user 65534 may not use this agent; be root or a member of group staff");
  }

  /** Fails if only the effective group counts: SO_PEERCRED alone does not tell the others. */
  @Test
  void serves_a_member_by_a_supplementary_group() throws IOException {
    assertThat(askAs("--reuid=65534", "--regid=65534", "--groups=" + GROUP_ID))
        .startsWith("HTTP/1.1 200 ");
  }

  /** Fails if only supplementary groups count. */
  @Test
  void serves_a_member_by_its_group() throws IOException {
    assertThat(askAs("--reuid=65534", "--regid=" + GROUP_ID, "--clear-groups"))
        .startsWith("HTTP/1.1 200 ");
  }

  /** Fails if root is asked for a group. */
  @Test
  void serves_root() throws IOException {
    assertThat(askAs("--reuid=0", "--regid=0", "--clear-groups")).startsWith("HTTP/1.1 200 ");
  }
}
