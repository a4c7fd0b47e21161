package dev.sluice.config;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;

/**
 * Opens a file that decides about the firewall: it, and every directory on the way to it, must
 * belong to root or to the user of this process and be writable by nobody else, so that nobody else
 * can exchange it between the look at it and its opening either.
 */
final class TrustedFile {
  private static final int ROOT = 0;

  // linux/stat.h
  private static final int S_IFMT = 0170000;
  private static final int S_IFREG = 0100000;
  private static final int S_IFLNK = 0120000;
  private static final int S_ISVTX = 01000;
  private static final int S_IWGRP = 0020;
  private static final int S_IWOTH = 0002;

  private TrustedFile() {}

  /**
   * Opens it.
   *
   * @throws NoSuchFileException if there is none
   * @throws PortsFileException if it is no regular file, or others could have written it
   */
  static InputStream open(Path file) throws IOException, PortsFileException {
    Path absolute = file.toAbsolutePath().normalize();
    if (!Files.exists(absolute, LinkOption.NOFOLLOW_LINKS)) {
      throw new NoSuchFileException(file.toString());
    }
    int self = attribute(Path.of("/proc/self/."), "unix:uid");
    Path directory = absolute.getParent();
    if (directory != null) {
      Set<Path> onTheWay = new LinkedHashSet<>();
      addAll(onTheWay, directory);
      addAll(onTheWay, directory.toRealPath());
      for (Path one : onTheWay) {
        check(file, one, self);
      }
    }
    int type = attribute(absolute, "unix:mode") & S_IFMT;
    if (type != S_IFREG) {
      throw new PortsFileException(
          file.toString(),
          (type == S_IFLNK ? "it is a symbolic link" : "it is not a regular file")
              + ", which is not followed here: put the file itself there, or name another with"
              + " --ports-file");
    }
    check(file, absolute, self);
    return Files.newInputStream(absolute, StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS);
  }

  private static void addAll(Set<Path> paths, Path directory) {
    for (Path one = directory; one != null; one = one.getParent()) {
      paths.add(one);
    }
  }

  private static void check(Path file, Path one, int self) throws IOException, PortsFileException {
    int owner = attribute(one, "unix:uid");
    int mode = attribute(one, "unix:mode");
    String what = one.equals(file.toAbsolutePath().normalize()) ? "it" : one.toString();
    if (owner != ROOT && owner != self) {
      throw new PortsFileException(
          file.toString(),
          what
              + " belongs to user "
              + owner
              + ", who could write into the firewall that way: chown root "
              + one);
    }
    boolean link = (mode & S_IFMT) == S_IFLNK; // the mode of a link says nothing
    boolean othersMayWrite = (mode & (S_IWGRP | S_IWOTH)) != 0;
    // In a sticky directory, such as /tmp, nobody can exchange the files of others.
    boolean sticky = (mode & S_IFMT) != S_IFREG && (mode & S_ISVTX) != 0;
    if (!link && othersMayWrite && !sticky) {
      throw new PortsFileException(
          file.toString(), what + " is writable by others than its owner: chmod go-w " + one);
    }
  }

  private static int attribute(Path path, String name) throws IOException {
    Map<String, Object> values = Files.readAttributes(path, name, LinkOption.NOFOLLOW_LINKS);
    return ((Integer) values.values().iterator().next());
  }
}
