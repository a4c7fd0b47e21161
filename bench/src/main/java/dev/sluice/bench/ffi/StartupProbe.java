package dev.sluice.bench.ffi;

import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import jnr.unixsocket.UnixSocketAddress;
import jnr.unixsocket.UnixSocketChannel;

/**
 * The child of {@link StartupCost}: connects to a unix socket by the means named and prints the
 * nanoseconds that the first connection took, from {@code main}'s first line.
 */
public final class StartupProbe {
  private StartupProbe() {}

  public static void main(String[] arguments) throws IOException {
    long start = System.nanoTime();
    switch (arguments[0]) {
      case "nothing" -> {}
      case "jdk" -> Jdk.connect(arguments[1]);
      case "jnr" -> Jnr.connect(arguments[1]);
      default -> throw new IllegalArgumentException("unknown means: " + arguments[0]);
    }
    System.out.println(System.nanoTime() - start);
  }

  /** Apart, so that a run loads only the classes of its own means. */
  private static final class Jdk {
    static void connect(String path) throws IOException {
      SocketChannel.open(UnixDomainSocketAddress.of(Path.of(path))).close();
    }
  }

  private static final class Jnr {
    static void connect(String path) throws IOException {
      UnixSocketChannel.open(new UnixSocketAddress(path)).close();
    }
  }
}
