package dev.sluice.network.names;

import dev.sluice.net.Ip6Address;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import java.io.IOException;
import java.io.InputStream;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The resolvers of a host: the lines {@code nameserver ADDRESS} of {@code /etc/resolv.conf}
 * (resolv.conf(5)), in their order, all at port 53. The file is read again when it has changed.
 * Lines that name no address are skipped, as the C library skips them. Without such a line, or
 * without the file, there is none.
 *
 * <p>Thread-safe.
 */
public final class ResolvConf implements Supplier<List<InetSocketAddress>> {
  private static final Logger LOG = LoggerFactory.getLogger(ResolvConf.class);
  private static final int DNS_PORT = 53;
  private static final int MAX_BYTES = 64 << 10;

  /** What is other when the file is: editors and {@code resolvconf} put a new one in its place. */
  private record Version(FileTime modified, long bytes, @Nullable Object file) {}

  private final Path file;
  private @Nullable Version read;
  private boolean unreadable;
  private List<InetSocketAddress> resolvers = List.of();

  /** The resolvers that this file names; it need not exist yet. */
  public ResolvConf(Path file) {
    this.file = file;
  }

  @Override
  public synchronized List<InetSocketAddress> get() {
    try {
      BasicFileAttributes now = Files.readAttributes(file, BasicFileAttributes.class);
      Version version = new Version(now.lastModifiedTime(), now.size(), now.fileKey());
      if (!Objects.equals(version, read)) {
        resolvers = parse(text());
        read = version;
      }
      unreadable = false;
    } catch (IOException e) {
      if (!unreadable) {
        LOG.warn("The host's resolvers are unknown, {} cannot be read: {}", file, e.toString());
      }
      unreadable = true;
      read = null;
      resolvers = List.of();
    }
    return resolvers;
  }

  private String text() throws IOException {
    try (InputStream in = Files.newInputStream(file)) {
      return new String(in.readNBytes(MAX_BYTES), StandardCharsets.ISO_8859_1);
    }
  }

  private static List<InetSocketAddress> parse(String text) {
    List<InetSocketAddress> resolvers = new ArrayList<>();
    text.lines()
        .map(line -> line.split("[ \t]+", 3))
        .filter(words -> words.length >= 2 && words[0].equals("nameserver"))
        .forEach(
            words ->
                address(words[1])
                    .map(address -> new InetSocketAddress(address, DNS_PORT))
                    .ifPresent(resolvers::add));
    return List.copyOf(resolvers);
  }

  private static Optional<InetAddress> address(String word) {
    int zone = word.indexOf('%');
    try {
      if (zone < 0) {
        return Optional.of(InetAddress.getByAddress(IpAddress.parse(word).toBytes()));
      }
      byte[] address = Ip6Address.parse(word.substring(0, zone)).toBytes();
      NetworkInterface device = NetworkInterface.getByName(word.substring(zone + 1));
      return device == null
          ? Optional.empty()
          : Optional.of(Inet6Address.getByAddress(null, address, device.getIndex()));
    } catch (MalformedValueException | IOException e) {
      LOG.debug("No resolver: {}", e.toString());
      return Optional.empty();
    }
  }
}
