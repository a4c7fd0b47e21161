package dev.sluice.ruleset.path;

import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Protocol;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/**
 * Sockets that take packets from anybody, as /proc/net shows them: those of tcp that listen, and
 * those of udp that are connected to nobody. A bound socket of tcp that does not listen is not
 * shown.
 */
final class LocalSockets {
  /** TCP_LISTEN, and TCP_CLOSE, which udp's unconnected sockets are in (net/tcp_states.h). */
  private static final String TCP_LISTEN = "0A";

  private static final String TCP_CLOSE = "07";

  /** How native/src/proxy.c calls its threads. */
  private static final String PROXY_THREAD = "sluice-proxy";

  // Columns: sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …
  private static final int LOCAL_COLUMN = 1;
  private static final int STATE_COLUMN = 3;
  private static final int INODE_COLUMN = 9;

  private LocalSockets() {}

  /**
   * A socket.
   *
   * @param address it is bound to; the unspecified one for all
   * @param inode its number
   */
  record Socket(IpAddress address, int port, String inode) {}

  /**
   * Those in the calling thread's network namespace that would take a packet; the first is the
   * likeliest. One that is bound to every IPv6 address may take IPv4 as well.
   */
  static List<Socket> taking(Protocol protocol, IpAddress address, int port) {
    return switch (protocol) {
      case TCP -> taking("tcp", TCP_LISTEN, address, port);
      case UDP -> taking("udp", TCP_CLOSE, address, port);
      default -> List.of();
    };
  }

  /**
   * Whether a thread of this process holds the socket. The threads of the userland proxy have a
   * table of descriptors each, which is not that of the process.
   */
  static boolean isOurs(Socket socket) {
    String wanted = "socket:[" + socket.inode() + "]";
    if (holds(Path.of("/proc/self/fd"), wanted)) {
      return true;
    }
    try (DirectoryStream<Path> tasks = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
      for (Path task : tasks) {
        if (name(task).startsWith(PROXY_THREAD) && holds(task.resolve("fd"), wanted)) {
          return true;
        }
      }
      return false;
    } catch (IOException e) {
      throw new UncheckedIOException("cannot list the threads of this process", e);
    }
  }

  private static String name(Path task) {
    try {
      return Files.readString(task.resolve("comm"));
    } catch (IOException e) {
      return ""; // the thread has ended
    }
  }

  private static boolean holds(Path descriptors, String wanted) {
    try (DirectoryStream<Path> all = Files.newDirectoryStream(descriptors)) {
      for (Path descriptor : all) {
        if (leadsTo(descriptor, wanted)) {
          return true;
        }
      }
    } catch (IOException | DirectoryIteratorException e) {
      return false; // the thread has ended
    }
    return false;
  }

  private static boolean leadsTo(Path descriptor, String wanted) {
    try {
      return Files.readSymbolicLink(descriptor).toString().equals(wanted);
    } catch (IOException e) {
      return false; // closed while we look
    }
  }

  /** Whether {@link #taking} can tell. */
  static boolean knows(Protocol protocol) {
    return protocol == Protocol.TCP || protocol == Protocol.UDP;
  }

  private static List<Socket> taking(String table, String state, IpAddress address, int port) {
    List<Socket> found = new ArrayList<>();
    if (address.family() == Family.IPV4) {
      read(table, state, port).stream()
          .filter(one -> one.address().isAny() || one.address().equals(address))
          .forEach(found::add);
    }
    read(table + "6", state, port).stream()
        .filter(
            one ->
                one.address().isAny()
                    || one.address().equals(address)
                    || isMapped(one.address(), address))
        .forEach(found::add);
    return found;
  }

  private static boolean isMapped(IpAddress six, IpAddress four) {
    return six instanceof dev.sluice.net.Ip6Address address && address.unmapped().equals(four);
  }

  private static List<Socket> read(String table, String state, int port) {
    Path file = Path.of("/proc/thread-self/net/" + table);
    try {
      return Files.readAllLines(file).stream()
          .skip(1)
          .flatMap(line -> parse(line, state).stream())
          .filter(socket -> socket.port() == port)
          .toList();
    } catch (NoSuchFileException e) {
      return List.of(); // a kernel without IPv6
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + file, e);
    }
  }

  /** Reads a line; empty if the socket is in another state. */
  static Optional<Socket> parse(String line, String state) {
    String[] columns = line.strip().split("\\s+", -1);
    if (columns.length <= INODE_COLUMN || !columns[STATE_COLUMN].equals(state)) {
      return Optional.empty();
    }
    String[] local = columns[LOCAL_COLUMN].split(":", -1);
    ByteBuffer raw = ByteBuffer.wrap(HexFormat.of().parseHex(local[0]));
    ByteBuffer address = ByteBuffer.allocate(raw.capacity());
    // Words of 32 bits in the machine's order.
    for (int at = 0; at < raw.capacity(); at += Integer.BYTES) {
      int word = raw.getInt(at);
      address.putInt(
          at,
          ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN ? Integer.reverseBytes(word) : word);
    }
    return Optional.of(
        new Socket(
            IpAddress.fromBytes(address.array()),
            Integer.parseInt(local[1], 16),
            columns[INODE_COLUMN]));
  }
}
