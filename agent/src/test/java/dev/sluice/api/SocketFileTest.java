package dev.sluice.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What may stand where the socket is to be, and what the file looks like afterwards. */
class SocketFileTest {
  private final Path directory;

  SocketFileTest(@TempDir Path directory) {
    this.directory = directory;
  }

  private ApiServer serve(Path socket) {
    return ApiServer.start(socket, new FakeAgent().services(), ApiOptions.DEFAULTS);
  }

  /** Fails if the modes of the file or of the directory we create become wider. */
  @Test
  void only_root_and_the_group_can_reach_it() throws IOException {
    Path socket = directory.resolve("run/sluice/a.sock");
    try (ApiServer server = serve(socket)) {
      assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(server.socket())))
          .isEqualTo("rw-rw----");
      assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(socket.getParent())))
          .isEqualTo("rwxr-x---");
    }
  }

  /** Fails if the socket of a dead agent keeps the next one from starting. */
  @Test
  void replaces_the_socket_of_an_agent_that_died() throws IOException {
    Path socket = directory.resolve("a.sock");
    try (ServerSocketChannel dead = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      dead.bind(UnixDomainSocketAddress.of(socket));
    }
    assertThat(Files.exists(socket, LinkOption.NOFOLLOW_LINKS)).isTrue();

    try (ApiServer server = serve(socket);
        ApiClient client = ApiClient.to(server.socket())) {
      assertThat(client.facts().value()).isNotEmpty();
    }
    assertThat(socket).doesNotExist();
  }

  /** Fails if a second agent takes the socket of the first. */
  @Test
  void leaves_a_living_agent_alone() {
    Path socket = directory.resolve("a.sock");
    try (ApiServer first = serve(socket)) {
      assertThatThrownBy(() -> serve(socket))
          .isInstanceOf(ApiServerException.class)
          .hasMessage(
              "another agent is listening on "
                  + first.socket()
                  + "; stop it first, or choose another path with --socket");
      try (ApiClient client = ApiClient.to(socket)) {
        assertThat(client.facts().value()).isNotEmpty();
      }
    }
  }

  /** Fails if only agents that take our lock are respected. */
  @Test
  void leaves_a_stranger_who_listens_alone() throws IOException {
    Path socket = directory.resolve("a.sock");
    try (ServerSocketChannel stranger = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      stranger.bind(UnixDomainSocketAddress.of(socket));
      assertThatThrownBy(() -> serve(socket))
          .hasMessageContaining("another agent is listening on " + socket);
      assertThat(Files.exists(socket, LinkOption.NOFOLLOW_LINKS)).isTrue();
    }
  }

  /** Fails if a file of somebody else is deleted. */
  @Test
  void leaves_what_is_not_a_socket_alone() throws IOException {
    Path file = Files.writeString(directory.resolve("a.sock"), "precious");
    assertThatThrownBy(() -> serve(file))
        .hasMessage(
            file + " exists and is not a socket; remove it or choose another path with --socket");
    assertThat(file).hasContent("precious");
  }

  /** Fails if a symbolic link is followed or replaced. */
  @Test
  void does_not_follow_a_symbolic_link() throws IOException {
    Path target = directory.resolve("target");
    Path link = Files.createSymbolicLink(directory.resolve("a.sock"), target);
    assertThatThrownBy(() -> serve(link)).hasMessageContaining(link + " is a symbolic link");
    assertThat(Files.isSymbolicLink(link)).isTrue();
    assertThat(target).doesNotExist();
  }

  /** Fails if the limit of unix(7) is left for the kernel to complain about. */
  @Test
  void refuses_a_path_that_is_too_long() {
    Path socket = directory.resolve("x".repeat(100));
    assertThatThrownBy(() -> serve(socket))
        .hasMessageContaining("bytes and unix sockets allow 107")
        .hasMessageContaining("--socket");
  }

  /** Fails if an agent that ends removes the socket of its successor. */
  @Test
  void does_not_remove_the_socket_of_somebody_else() throws IOException {
    Path socket = directory.resolve("a.sock");
    ApiServer server = serve(socket);
    Files.delete(socket);
    Files.writeString(socket, "another");
    server.close();
    assertThat(socket).hasContent("another");
  }
}
