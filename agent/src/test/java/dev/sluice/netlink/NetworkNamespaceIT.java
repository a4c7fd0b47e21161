package dev.sluice.netlink;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import dev.sluice.ffi.Errno;
import dev.sluice.ffi.SystemCallException;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Ran;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Namespaces of the live kernel; the witnesses are python and stat. */
class NetworkNamespaceIT {
  private static final Path DESCRIPTORS = Path.of("/proc/self/fd");

  /** Fails if the cookie is another option's value, another namespace's, or cut to 32 bits. */
  @Test
  void theCookieIsTheOneASocketInsideReads() {
    try (Netns netns = Netns.create("cookie");
        NetworkNamespace namespace = NetworkNamespace.open(netns.path());
        NetworkNamespace again = NetworkNamespace.open(netns.path());
        NetworkNamespace outside = NetworkNamespace.current()) {
      String inside =
          netns
              .exec(
                  "/usr/bin/python3",
                  "-IS",
                  "-c",
                  "import socket; print(int.from_bytes(socket.socket().getsockopt(1, 71, 8),"
                      + " 'little'))")
              .orFail()
              .stdout()
              .strip();

      assertThat(Long.toUnsignedString(namespace.cookie())).isEqualTo(inside);
      assertThat(again.cookie()).isEqualTo(namespace.cookie());
      assertThat(outside.cookie()).isNotEqualTo(namespace.cookie());
    }
  }

  /** Fails if the number is the descriptor's own, or that of the file's place. */
  @Test
  void theInodeIsTheOneStatShows() {
    try (Netns netns = Netns.create("inode");
        NetworkNamespace namespace = NetworkNamespace.open(netns.path())) {
      assertThat(String.valueOf(namespace.inode()))
          .isEqualTo(
              Ran.run("stat", "-L", "-c", "%i", netns.path().toString()).orFail().stdout().strip());
    }
  }

  /** Fails if a namespace that is known by another path than a mounted file's is refused. */
  @Test
  void anyPathThatLeadsToANamespaceWill(@TempDir Path directory) throws IOException {
    try (Netns netns = Netns.create("paths");
        NetworkNamespace namespace = NetworkNamespace.open(netns.path())) {
      Path link = Files.createSymbolicLink(directory.resolve("link"), netns.path());
      Path descriptor = Path.of("/proc/" + ProcessHandle.current().pid() + "/fd/" + namespace.fd());
      for (Path path : List.of(link, descriptor)) {
        try (NetworkNamespace same = NetworkNamespace.open(path)) {
          assertThat(same.cookie()).as("%s", path).isEqualTo(namespace.cookie());
        }
        assertThat(NetworkNamespace.isNetworkNamespace(path)).isTrue();
      }
      try (NetworkNamespace own = NetworkNamespace.ofProcess((int) ProcessHandle.current().pid())) {
        assertThat(own.cookie()).isNotEqualTo(namespace.cookie());
      }
    }
  }

  /** Fails if one of these is taken for a namespace, waited for, or leaves a descriptor open. */
  @Test
  void whatIsNoNetworkNamespaceIsRefused(@TempDir Path directory) throws IOException {
    Path fifo = directory.resolve("fifo");
    Ran.run("mkfifo", fifo.toString()).orFail();
    List<Path> others = new ArrayList<>();
    others.add(Files.writeString(directory.resolve("file"), "text"));
    others.add(directory);
    others.add(fifo);
    others.add(Path.of("/dev/null"));
    others.add(Path.of("/proc/self/stat"));
    int before = openDescriptors();

    for (Path path : others) {
      assertTimeoutPreemptively(
          Duration.ofSeconds(5),
          () ->
              assertThatThrownBy(() -> NetworkNamespace.open(path))
                  .isInstanceOf(NotANetworkNamespaceException.class)
                  .hasMessage("\"" + path + "\" is not a network namespace"));
      assertThat(NetworkNamespace.isNetworkNamespace(path)).as("%s", path).isFalse();
    }
    assertThatThrownBy(() -> NetworkNamespace.open(Path.of("/proc/self/ns/mnt")))
        .isInstanceOf(NotANetworkNamespaceException.class)
        .hasMessage("\"/proc/self/ns/mnt\" is a namespace, but not a network namespace");
    assertThat(NetworkNamespace.isNetworkNamespace(Path.of("/proc/self/ns/mnt"))).isFalse();
    assertThat(openDescriptors()).isLessThanOrEqualTo(before + 2);
  }

  /** Fails if a path that leads nowhere is no longer the kernel's error. */
  @Test
  void whatDoesNotExistIsTheKernelsError(@TempDir Path directory) throws IOException {
    Path absent = directory.resolve("absent");
    Path below = Files.writeString(directory.resolve("file"), "text").resolve("net");
    Path loop = directory.resolve("loop");
    Files.createSymbolicLink(loop, loop);

    for (Path path : List.of(absent, below, loop)) {
      assertThat(NetworkNamespace.isNetworkNamespace(path)).as("%s", path).isFalse();
    }
    assertThatThrownBy(() -> NetworkNamespace.open(absent))
        .isInstanceOfSatisfying(
            SystemCallException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENOENT))
        .hasMessageStartingWith("cannot open the network namespace " + absent + ": ENOENT");
  }

  /** Fails if a closed namespace is asked with a number that may be another file's by now. */
  @Test
  void aClosedNamespaceTellsNothing() {
    NetworkNamespace namespace = NetworkNamespace.current();
    namespace.close();

    assertThatThrownBy(namespace::cookie)
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("is closed");
    assertThatThrownBy(namespace::inode)
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("is closed");
  }

  private static int openDescriptors() throws IOException {
    try (Stream<Path> all = Files.list(DESCRIPTORS)) {
      return (int) all.count();
    }
  }
}
