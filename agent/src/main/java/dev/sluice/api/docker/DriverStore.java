package dev.sluice.api.docker;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.net.MalformedValueException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The requests by which Docker made its networks, a file for each. Docker keeps its networks over a
 * restart of the host and never asks a driver for them again; what the kernel had of them is gone
 * then.
 */
final class DriverStore {
  private static final Logger LOG = LoggerFactory.getLogger(DriverStore.class);

  private static final String SUFFIX = ".json";
  private static final Pattern ID = Pattern.compile("[0-9a-f]{12,64}");
  private static final int MAX_FILE_BYTES = 1 << 20;

  private final Path directory;

  /**
   * @param directory made when something is kept first, for root alone
   */
  DriverStore(Path directory) {
    this.directory = directory;
  }

  /** All that is kept, by the id of the network; a file that cannot be read is left out. */
  synchronized Map<String, JsonObject> all() {
    Map<String, JsonObject> all = new TreeMap<>();
    try (Stream<Path> files = Files.list(directory)) {
      for (Path file : files.toList()) {
        String name = file.getFileName().toString();
        if (name.endsWith(SUFFIX)) {
          String id = name.substring(0, name.length() - SUFFIX.length());
          find(id).ifPresent(request -> all.put(id, request));
        }
      }
    } catch (NoSuchFileException e) {
      LOG.debug("no network of Docker is kept: there is no {}", directory);
    } catch (IOException e) {
      LOG.warn("cannot read the networks of Docker in {}: {}", directory, e.toString());
    }
    return all;
  }

  /** What is kept of a network. */
  synchronized Optional<JsonObject> find(String networkId) {
    Path file = file(networkId);
    try {
      if (Files.size(file) > MAX_FILE_BYTES) {
        LOG.warn("{} is too large for a network of Docker: left out", file);
        return Optional.empty();
      }
      return Optional.of(JsonObject.read(Files.readAllBytes(file)));
    } catch (NoSuchFileException e) {
      return Optional.empty();
    } catch (IOException | JsonObject.MalformedJsonException e) {
      LOG.warn("{} is left out: {}", file, e.getMessage());
      return Optional.empty();
    }
  }

  /**
   * Keeps the request of a network; when this returns it is on the disk.
   *
   * @throws UncheckedIOException if that cannot be written
   */
  synchronized void keep(String networkId, byte[] request) {
    Path file = file(networkId);
    Path half = file.resolveSibling(file.getFileName() + ".new");
    try {
      Files.createDirectories(
          directory,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
      try (FileChannel out =
          FileChannel.open(
              half,
              Set.of(
                  StandardOpenOption.CREATE,
                  StandardOpenOption.WRITE,
                  StandardOpenOption.TRUNCATE_EXISTING),
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")))) {
        ByteBuffer bytes = ByteBuffer.wrap(request);
        while (bytes.hasRemaining()) {
          out.write(bytes);
        }
        out.force(true);
      }
      Files.move(half, file, StandardCopyOption.ATOMIC_MOVE);
      syncDirectory();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot keep the network in " + file + ": " + e, e);
    }
  }

  /**
   * Forgets a network, if it is kept.
   *
   * @throws UncheckedIOException if the file cannot be deleted
   */
  synchronized void forget(String networkId) {
    Path file = file(networkId);
    try {
      if (Files.deleteIfExists(file)) {
        syncDirectory();
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot delete " + file + ": " + e, e);
    }
  }

  private void syncDirectory() throws IOException {
    try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
      channel.force(true);
    }
  }

  private Path file(String networkId) {
    if (!ID.matcher(networkId).matches()) {
      throw new MalformedValueException(
          networkId,
          0,
          quote(networkId) + " is not the id of a network, 12 to 64 digits of 0–9 and a–f");
    }
    return directory.resolve(networkId + SUFFIX);
  }
}
