package dev.sluice.api.cni;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.Predicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Requests that clients left in a directory because no agent answered, one file each; see {@code
 * native/src/cni.c}, which bounds their number and size. They are carried out in the order in which
 * they came, and a file goes when its request is done with. Thread-safe.
 */
public final class CniSpool {
  private static final Logger LOG = LoggerFactory.getLogger(CniSpool.class);

  /** What it is called beside the agent's socket. */
  private static final String NAME = "cni";

  private static final String SUFFIX = ".json";

  /** A client that is still at it would be done by now. */
  private static final Duration ABANDONED = Duration.ofMinutes(15);

  /** More than a client ever writes. */
  private static final int MAX_BYTES = 8 << 20;

  // linux/stat.h
  private static final int S_IFMT = 0170000;
  private static final int S_IFDIR = 0040000;
  private static final int S_IWGRP = 0020;
  private static final int S_IWOTH = 0002;

  private final Path directory;

  CniSpool(Path directory) {
    this.directory = directory;
  }

  /** That of the clients that ask at a socket. */
  public static CniSpool beside(Path socket) {
    return new CniSpool(socket.toAbsolutePath().resolveSibling(NAME));
  }

  /**
   * Hands on each request that waits, or has waited; returns when they are done with.
   *
   * @param carryOut whether the request is done with; what is not stays
   */
  void workOff(Predicate<byte[]> carryOut) {
    // Almost always: a file goes only when its request is done with, so none is none under way.
    if (names().length == 0) {
      return;
    }
    synchronized (this) {
      try {
        if (isTrusted()) {
          for (Path file : files()) {
            workOff(file, carryOut);
          }
        }
      } catch (IOException e) {
        LOG.warn("cannot look for CNI requests that wait in {}: {}", directory, e.toString());
      }
    }
  }

  private String[] names() {
    String[] names = directory.toFile().list();
    return names == null ? new String[0] : names;
  }

  /** What is in there is carried out with our rights. */
  private boolean isTrusted() throws IOException {
    Object self = Files.getAttribute(Path.of("/proc/self/."), "unix:uid");
    Object owner = Files.getAttribute(directory, "unix:uid", LinkOption.NOFOLLOW_LINKS);
    int mode = (Integer) Files.getAttribute(directory, "unix:mode", LinkOption.NOFOLLOW_LINKS);
    boolean trusted =
        self.equals(owner) && (mode & S_IFMT) == S_IFDIR && (mode & (S_IWGRP | S_IWOTH)) == 0;
    if (!trusted) {
      LOG.warn(
          "CNI requests that wait in {} are left alone, as others than this agent can write there:"
              + " chown root and chmod 0700 it",
          directory);
    }
    return trusted;
  }

  /** The oldest first. */
  private List<Path> files() throws IOException {
    record Dated(Path file, FileTime at) {}
    List<Dated> all = new ArrayList<>();
    for (String name : names()) {
      Path file = directory.resolve(name);
      try {
        FileTime at = Files.getLastModifiedTime(file, LinkOption.NOFOLLOW_LINKS);
        if (name.endsWith(SUFFIX) && !name.startsWith(".")) {
          all.add(new Dated(file, at));
        } else if (at.toInstant().isBefore(Instant.now().minus(ABANDONED))) {
          Files.deleteIfExists(file); // half written, by a client that was killed
        }
      } catch (NoSuchFileException e) {
        LOG.debug("{} has got its name, or gone", file);
      }
    }
    all.sort(Comparator.comparing(Dated::at).thenComparing(Dated::file));
    return all.stream().map(Dated::file).toList();
  }

  private static void workOff(Path file, Predicate<byte[]> carryOut) {
    try {
      byte[] request;
      try (InputStream in =
          Files.newInputStream(file, StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS)) {
        request = in.readNBytes(MAX_BYTES);
      }
      if (carryOut.test(request)) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      LOG.warn("the CNI request that waits in {} cannot be read: {}", file, e.toString());
    }
  }
}
