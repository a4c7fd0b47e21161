package dev.sluice.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;

/**
 * What a real program and the kernel said to each other over netlink, byte for byte: captured by
 * {@code src/test/golden/capture.sh}, kept in {@code src/test/resources/golden}.
 *
 * <p>The files are meant to be read: each line of bytes is a header or an attribute, with its name
 * beside it.
 *
 * @param name the file's path without its ending: {@code nftables/table-add}
 * @param header the comment lines at its top: {@code command}, {@code input} (the program's
 *     standard input), {@code meanwhile} (what others did while it listened), {@code exit} (its
 *     status), {@code says} (its standard error), {@code version}
 * @param datagrams in the order in which they were sent and received
 */
public record Golden(String name, List<String> header, List<Datagram> datagrams) {

  /** Which way a datagram went, seen from the program. */
  public enum Direction {
    SENT,
    RECEIVED
  }

  /** One datagram: what one {@code sendmsg} or {@code recvmsg} carried, often several messages. */
  public record Datagram(Direction direction, ByteBuffer content) {

    /** A copy of its bytes. */
    public byte[] bytes() {
      byte[] bytes = new byte[content.remaining()];
      content.duplicate().get(bytes);
      return bytes;
    }

    /**
     * Its messages, headers and trailing padding included. {@code ip} sends some requests with the
     * unused rest of its buffer behind them; as in the kernel, a length below a header's ends them.
     */
    public List<byte[]> messages() {
      List<byte[]> messages = new ArrayList<>();
      ByteBuffer rest = content.duplicate().order(ByteOrder.nativeOrder());
      while (rest.remaining() >= NLMSG_HDRLEN) {
        int length = rest.getInt(rest.position());
        if (length < NLMSG_HDRLEN) {
          break;
        }
        if (length > rest.remaining()) {
          throw new IllegalStateException(
              "message length %d with %d bytes left".formatted(length, rest.remaining()));
        }
        byte[] message = new byte[Math.min((length + 3) & ~3, rest.remaining())];
        rest.get(message);
        messages.add(message);
      }
      return messages;
    }
  }

  private static final int NLMSG_HDRLEN = 16;
  private static final String SUFFIX = ".hex";
  private static final HexFormat HEX = HexFormat.ofDelimiter(" ");

  public Golden {
    header = List.copyOf(header);
    datagrams = List.copyOf(datagrams);
  }

  /** Reads one capture: {@code load("nftables/table-add")}. */
  public static Golden load(String name) {
    return parse(name, Ran.resource("/golden/" + name + SUFFIX).lines().toList());
  }

  /** The names of all captures that begin so, sorted: {@code names("nftables/reference-rule-")}. */
  public static List<String> names(String prefix) {
    URL url = Golden.class.getResource("/golden");
    if (url == null) {
      throw new IllegalStateException("the golden files are not among the test resources");
    }
    try {
      Path root = Path.of(url.toURI());
      try (Stream<Path> files = Files.walk(root)) {
        List<String> names =
            files
                .map(file -> root.relativize(file).toString())
                .filter(file -> file.endsWith(SUFFIX) && file.startsWith(prefix))
                .map(file -> file.substring(0, file.length() - SUFFIX.length()))
                .sorted()
                .toList();
        if (names.isEmpty()) {
          throw new IllegalArgumentException("no golden file begins with " + prefix);
        }
        return names;
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot list the golden files", e);
    } catch (URISyntaxException e) {
      throw new IllegalStateException("not a path: " + url, e);
    }
  }

  static Golden parse(String name, List<String> lines) {
    List<String> header = new ArrayList<>();
    List<Datagram> datagrams = new ArrayList<>();
    Direction direction = Direction.SENT;
    ByteBuffer content = ByteBuffer.allocate(0);
    for (String line : lines) {
      int comment = line.indexOf('#');
      String text = (comment < 0 ? line : line.substring(0, comment)).strip();
      if (comment == 0 && datagrams.isEmpty() && content.capacity() == 0) {
        header.add(line.substring(1).strip());
      } else if (text.startsWith(">") || text.startsWith("<")) {
        finish(name, datagrams, direction, content);
        direction = text.startsWith(">") ? Direction.SENT : Direction.RECEIVED;
        content = ByteBuffer.allocate(Integer.parseInt(text.substring(1).strip()));
      } else if (!text.isEmpty()) {
        byte[] bytes = HEX.parseHex(text);
        if (bytes.length > content.remaining()) {
          throw new IllegalStateException(
              "%s: datagram %d has more than its %d bytes"
                  .formatted(name, datagrams.size(), content.capacity()));
        }
        content.put(bytes);
      }
    }
    finish(name, datagrams, direction, content);
    return new Golden(name, header, datagrams);
  }

  private static void finish(
      String name, List<Datagram> datagrams, Direction direction, ByteBuffer content) {
    if (content.hasRemaining()) {
      throw new IllegalStateException(
          "%s: datagram %d lacks %d of its %d bytes"
              .formatted(name, datagrams.size(), content.remaining(), content.capacity()));
    }
    if (content.capacity() > 0) {
      datagrams.add(new Datagram(direction, content.flip().asReadOnlyBuffer()));
    }
  }

  /** The command line that was run. */
  public String command() {
    return String.join("\n", header("command"));
  }

  /**
   * What it was given on standard input, such as the script of {@code nft -f -}; empty if nothing.
   */
  public String input() {
    return String.join("\n", header("input"));
  }

  private List<String> header(String key) {
    String start = key + ":";
    return header.stream()
        .filter(line -> line.startsWith(start))
        .map(line -> line.substring(start.length()).strip())
        .toList();
  }

  /** What the program sent. */
  public List<byte[]> sent() {
    return bytes(Direction.SENT);
  }

  /** What the kernel answered or announced. */
  public List<byte[]> received() {
    return bytes(Direction.RECEIVED);
  }

  /** The messages of all datagrams sent, in order. */
  public List<byte[]> sentMessages() {
    return messages(Direction.SENT);
  }

  /** The messages of all datagrams received, in order. */
  public List<byte[]> receivedMessages() {
    return messages(Direction.RECEIVED);
  }

  private List<byte[]> bytes(Direction direction) {
    return datagrams.stream()
        .filter(datagram -> datagram.direction == direction)
        .map(Datagram::bytes)
        .toList();
  }

  private List<byte[]> messages(Direction direction) {
    return datagrams.stream()
        .filter(datagram -> datagram.direction == direction)
        .flatMap(datagram -> datagram.messages().stream())
        .toList();
  }

  /** What a failing test needs to say: where the bytes are from and how to get them again. */
  @Override
  public String toString() {
    return "%s (%s%s)"
        .formatted(name, command(), input().isEmpty() ? "" : " <<< '" + input() + "'");
  }
}
